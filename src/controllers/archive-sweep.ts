import { deleteBytes, maxDeletions } from '../archives/archive-deletion.ts';
import { StoreNotConfiguredError } from '../errors/repository.ts';
import { StoreUnavailableError } from '../errors/store.ts';
import type { ArchiveRecord, ArchiveRepository } from '../repository/archive-repository.ts';
import type { AbortOptions } from '../runtime/options.ts';
import type { ArchiveStore } from '../stores/archive-store.ts';
import { RowBatches } from './row-batches.ts';
import { type Places, type SweepContext, sweepRows } from './row-sweep.ts';

export interface ArchiveSweepComponents {
  readonly workerName: string;
  readonly installationId: string;
  readonly archives: Pick<ArchiveRepository, 'findDestroyable' | 'deleteAll'>;
  readonly stores: ReadonlyMap<string, ArchiveStore>;
}

export interface ArchiveSweepContext extends SweepContext {
  /** Stops statements that delete rows, so that deleted rows are counted. */
  readonly caller: AbortOptions;
  /** Called with the number of archives whose rows were deleted. */
  readonly deleted: (archives: number) => void;
}

interface ArchiveRow extends ArchiveRecord {
  readonly handle: string;
}

/**
 * How long an archive without a reference stays after its last use. A cache is saved first, and then a
 * volume refers to its archive, in a later statement. That takes seconds, apart from the statement's
 * retries. Readers need no grace: they hold the volume, whose row is a reference.
 */
export const archiveGraceMs: number = 10 * 60 * 1000;
const pageSize = 1_000;
/**
 * The number of consecutive deletions that find the store unavailable before the sweep of the store
 * stops.
 */
const maxUnavailable = 2;

/**
 * Deletes unneeded archives: the bytes of all attempts first and the row last, so that after a crash
 * in between the row shows the remaining work. Archives of a store that is not configured here, or
 * that fails, stay, and delay no other.
 */
export async function sweepArchives(
  { workerName, installationId, archives, stores }: ArchiveSweepComponents,
  context: ArchiveSweepContext,
): Promise<void> {
  const { caller, deleted } = context;
  const deleteAll = async (ids: readonly string[]): Promise<readonly string[]> => {
    const gone = await archives.deleteAll(ids, caller);
    deleted(gone.length);
    return gone;
  };
  // A row that another host has deleted is no failure.
  const deletion = {
    deleteAll,
    delete: async (id: string) => {
      await deleteAll([id]);
    },
  };
  const find = async (limit: number, options: AbortOptions): Promise<readonly ArchiveRow[]> => {
    const found = await archives.findDestroyable(workerName, limit, { ...options, graceMs: archiveGraceMs });
    return found.map((archive) => ({ ...archive, handle: archive.id }));
  };
  const places = new Map<string, Places<ArchiveRow>>();
  const placesOf = ({ store: name }: ArchiveRow): Places<ArchiveRow> => {
    const known = places.get(name) ?? placesIn(name, stores.get(name), installationId);
    places.set(name, known);
    return known;
  };
  const batches = new RowBatches(deletion, context);
  await sweepRows({ pageSize, find, placesOf, batches, maxUnderWay: maxDeletions }, context);
}

function placesIn(name: string, store: ArchiveStore | undefined, installationId: string): Places<ArchiveRow> {
  if (store === undefined) {
    const reject = async (): Promise<never> => await Promise.reject(new StoreNotConfiguredError(name));
    return { findMissing: reject, remove: reject };
  }
  let unavailable = 0;
  let last: unknown;
  return {
    findMissing: async (rows) => rows.map(() => false),
    remove: async (row, options) => {
      if (unavailable >= maxUnavailable) throw last;
      try {
        await deleteBytes(row, store, installationId, options);
        unavailable = 0;
      } catch (error) {
        if (error instanceof StoreUnavailableError) unavailable += 1;
        last = error;
        throw error;
      }
    },
  };
}
