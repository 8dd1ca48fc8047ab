import { sha256 } from '../system/sha256.ts';
import type { World } from '../system/world.ts';

/** A volume that is ready has the content of an upload that was acknowledged. */
export function checkContents(world: World): void {
  const { containers, volumes } = world.snapshot;
  const rows = new Map(containers.map((row) => [row.handle, row]));
  for (const { handle, kind, container, state, isReady, digest } of volumes) {
    if (!isReady || (state !== 'creating' && state !== 'created')) continue;
    const row = container === null ? undefined : rows.get(container);
    const podUid = row?.podUid ?? undefined;
    const pod = world.pods.existing.find((each) =>
      container === null ? each.handle === handle : each.uid === podUid && each.handle === container,
    );
    if (pod === undefined) continue;
    const bytes = pod.volumes.get(handle);
    const content = bytes === undefined ? undefined : sha256(bytes);
    if (kind === 'input') {
      // Only the holder writes to an input, and only once.
      if (content !== digest)
        world.fail(`input ${handle} is ready with ${digest ?? 'none'}, and has ${content ?? 'none'}`);
    } else if (kind === 'artifact') checkArtifact(world, handle, content, digest);
  }
}

function checkArtifact(world: World, handle: string, content: string | undefined, digest: string | null): void {
  const ledger = world.ledger.artifacts.get(handle);
  if (content === undefined) return;
  const attempted = ledger?.attempted ?? world.ledger.written;
  if (!attempted.has(content)) world.fail(`volume ${handle} has a content that no host wrote`);
  if (ledger === undefined || ledger.isUncertain) return;
  if (content !== ledger.acknowledged || digest !== content)
    world.fail(`volume ${handle} has another content than its last upload`);
}
