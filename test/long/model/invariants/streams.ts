import type { Snapshot, StreamState } from '../system/snapshot.ts';
import type { World } from '../system/world.ts';

/**
 * Notes the streams that were without a lease before a statement renewed them: a reaper may have found
 * their volumes meanwhile.
 */
export function noteLapses({ snapshot, ledger, database }: World, before: Snapshot): void {
  const untils = new Map(before.streams.map((each) => [keyOf(each), each.until]));
  for (const each of snapshot.streams) {
    const until = untils.get(keyOf(each));
    if (until !== undefined && until !== each.until && until <= database.now) ledger.lapsedStreams.add(keyOf(each));
  }
}

/** Returns a stream that keeps a volume, or a container of volumes, from the reaper. */
export function openStreamOf(
  { ledger, database, snapshot: now }: World,
  handle: string,
  { streams } = now,
): string | undefined {
  const found = streams.find(
    (each) =>
      (each.volume === handle || each.container === handle) &&
      each.until > database.now &&
      !ledger.lapsedStreams.has(keyOf(each)),
  );
  return found?.stream;
}

function keyOf({ stream, volume }: StreamState): string {
  return `${stream} ${volume}`;
}
