import type { ArchiveRecord, ArchiveRepository } from '../repository/archive-repository.ts';
import type { AbortOptions, Logger } from '../runtime/options.ts';
import type { ArchiveStore } from '../stores/archive-store.ts';
import { deleteBytes, maxDeletions } from './archive-deletion.ts';

export interface EvictionComponents {
  readonly workerName: string;
  readonly installationId: string;
  readonly archives: Pick<ArchiveRepository, 'evict' | 'deleteAll'>;
  readonly stores: ReadonlyMap<string, ArchiveStore>;
  readonly logger: Logger;
  /** Called when the reaper has something to do. */
  readonly reapSoon: () => void;
}

/** The maximum number of archives whose rows one statement deletes. */
const maxRows = 1_000;

/** Frees space in a store that is full. */
export class Eviction {
  readonly #components: EvictionComponents;

  constructor(components: EvictionComponents) {
    this.#components = components;
  }

  /**
   * Deletes archives that nothing refers to, and then the least recently used caches, until this
   * number of bytes is free. Resolves with the number of stored bytes that were deleted: fewer if no
   * more can be deleted, or if the store fails. The reaper deletes the rest of what was marked.
   *
   * @throws RepositoryUnavailableError
   */
  async freeSpace(storeName: string, bytes: number, { signal }: AbortOptions = {}): Promise<number> {
    const { workerName, archives, stores, logger, reapSoon } = this.#components;
    const store = stores.get(storeName);
    if (store === undefined) return 0;
    const marked = await archives.evict(workerName, storeName, bytes, { signal });
    if (marked.length === 0) return 0;
    // The volumes of caches, and what this call leaves.
    reapSoon();
    const deleted = await this.#deleteBytes(marked, store, { signal });
    await this.#deleteRows(deleted);
    const freed = deleted.reduce((sum, { reference }) => sum + (reference?.storedBytes ?? 0), 0);
    logger.info('archives evicted from a full store', { store: storeName, archives: deleted.length, bytes: freed });
    return freed;
  }

  /** Returns the archives without bytes. A failure is logged, because the reaper tries again. */
  async #deleteBytes(
    marked: readonly ArchiveRecord[],
    store: ArchiveStore,
    options: AbortOptions,
  ): Promise<readonly ArchiveRecord[]> {
    const { installationId, logger } = this.#components;
    const waiting = [...marked];
    const deleted: ArchiveRecord[] = [];
    const work = async (): Promise<void> => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        const archive = next;
        try {
          await deleteBytes(archive, store, installationId, options);
          deleted.push(archive);
        } catch (error) {
          options.signal?.throwIfAborted();
          logger.warn('archive not evicted', { store: store.name, archive: archive.id, error });
        }
      }
    };
    await Promise.all(Array.from({ length: Math.min(maxDeletions, waiting.length) }, work));
    return deleted;
  }

  async #deleteRows(deleted: readonly ArchiveRecord[]): Promise<void> {
    const { archives, logger } = this.#components;
    try {
      for (let from = 0; from < deleted.length; from += maxRows)
        await archives.deleteAll(deleted.slice(from, from + maxRows).map(({ id }) => id));
    } catch (error) {
      logger.warn('rows of evicted archives not deleted', { error });
    }
  }
}
