import { sha256 } from '../system/sha256.ts';
import type { World } from '../system/world.ts';

/**
 * An archive that is ready has its bytes in the store, and they are a content that was written. A live
 * volume refers only to such an archive.
 */
export function checkArchives(world: World): void {
  const { snapshot, store, ledger, platform } = world;
  const ready = new Set<string>();
  for (const { id, state, key, digest, storedDigest } of snapshot.archives) {
    if (state !== 'ready') continue;
    ready.add(id);
    const stored = store.archives.get(key ?? '');
    if (stored === undefined) world.fail(`archive ${id} is ready, and the store has no ${key ?? 'key'}`);
    else if (sha256(stored.bytes) !== storedDigest) world.fail(`archive ${id} is ready, and the store has other bytes`);
    if (platform.seesPods && !ledger.written.has(digest ?? ''))
      world.fail(`archive ${id} has a content that was never written`);
  }
  for (const { handle, state, archive } of snapshot.volumes)
    if (archive !== null && state === 'created' && !ready.has(archive))
      world.fail(`volume ${handle} refers to archive ${archive}, which is not ready`);
}
