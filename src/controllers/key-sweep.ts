import { maxDeletions } from '../archives/archive-deletion.ts';
import { type ArchiveKeyParts, parseArchiveKey } from '../archives/archive-key.ts';
import type { ArchiveRecord, ArchiveRepository } from '../repository/archive-repository.ts';
import type { Clock } from '../runtime/options.ts';
import type { ArchiveStore } from '../stores/archive-store.ts';
import { type AgedKey, oldKeys } from './key-age.ts';
import type { SweepContext } from './row-sweep.ts';
import { SlidingWindow } from './sliding-window.ts';

export interface KeySweepComponents {
  readonly installationId: string;
  readonly archives: Pick<ArchiveRepository, 'lookup'>;
  readonly stores: ReadonlyMap<string, ArchiveStore>;
  readonly clock: Pick<Clock, 'now'>;
}

export interface KeySweepContext extends SweepContext {
  /** Called for each key that was deleted. */
  readonly deleted: () => void;
}

interface OwnKey extends AgedKey, ArchiveKeyParts {
  readonly key: string;
}

/** How many archives are looked up at once. */
const partSize = 1_000;

/**
 * Deletes the keys of archive stores that belong to no archive, such as one that a host has written
 * after its archive was deleted. A store that fails delays no other.
 *
 * The order is: list all keys of a store, look up their archives, delete. A key is written only for
 * an archive whose row exists, and each archive and each attempt is new. So a key that was listed and
 * has no row afterwards never gets one. In the reverse order an archive could be inserted and written
 * between the two. A list or a lookup that fails deletes nothing of the store. The age of a key does
 * not decide whether it is needed. It leaves time to correct an error outside the library, such as a
 * database that was restored from an old backup.
 */
export async function sweepKeys(components: KeySweepComponents, context: KeySweepContext): Promise<void> {
  const { signal, failures, logger } = context;
  for (const store of components.stores.values()) {
    signal?.throwIfAborted();
    try {
      await deleteKeys(store, await findGarbage(store, components, context), context);
    } catch (error) {
      signal?.throwIfAborted();
      logger.warn('keys of a store not swept', { store: store.name, error });
      failures.push(error);
    }
  }
}

/** Returns the old keys that no archive needs. Keys that are not of this installation's form stay. */
async function findGarbage(
  store: ArchiveStore,
  { installationId, archives, clock }: KeySweepComponents,
  { signal }: KeySweepContext,
): Promise<readonly string[]> {
  const listed: OwnKey[] = [];
  for await (const { key, modifiedAt } of store.list(`${installationId}/`, { signal })) {
    const parts = parseArchiveKey(installationId, key);
    if (parts !== undefined) listed.push({ key, ...parts, modifiedAt: modifiedAt.getTime() });
  }
  signal?.throwIfAborted();
  const old = oldKeys(listed, clock.now());
  const garbage: string[] = [];
  for (let from = 0; from < old.length; from += partSize) {
    const part = old.slice(from, from + partSize);
    const rows = await archives.lookup([...new Set(part.map(({ id }) => id))], { signal });
    const byId = new Map(rows.map((row) => [row.id, row]));
    garbage.push(...part.filter((each) => isGarbage(each, byId.get(each.id))).map(({ key }) => key));
  }
  return garbage;
}

function isGarbage({ key, attempt }: OwnKey, row: ArchiveRecord | undefined): boolean {
  if (row === undefined) return true;
  switch (row.state) {
    case 'creating':
      return attempt < row.attempt;
    case 'ready':
      return row.reference !== undefined && row.reference.key !== key;
    case 'destroying':
      // The reaper deletes all its keys before the row.
      return false;
  }
}

async function deleteKeys(store: ArchiveStore, keys: readonly string[], context: KeySweepContext): Promise<void> {
  const { signal, failures, logger, deleted } = context;
  const window = new SlidingWindow(maxDeletions);
  for (const key of keys) {
    if (signal?.aborted === true) break;
    await window.begin(async () => {
      try {
        if (!(await store.delete(key, { signal }))) return;
        deleted();
        logger.info('key without an archive deleted', { store: store.name, key });
      } catch (error) {
        if (signal?.aborted !== true) failures.push(error);
      }
    });
  }
  await window.end();
  signal?.throwIfAborted();
}
