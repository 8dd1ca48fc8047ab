import { within } from '../internal/within.ts';
import type { Repository } from '../repository/repository.ts';
import type { Clock, Logger } from '../runtime/options.ts';
import type { ArchiveStore } from '../stores/archive-store.ts';
import { type Inventory, inventoryMetrics, type StoredInventory } from '../telemetry/inventory-metrics.ts';

export interface InventoryOfWorker {
  readonly workerName: string;
  readonly queries: Pick<Repository['queries'], 'countRows'>;
  readonly archiveStores: ReadonlyMap<string, Pick<ArchiveStore, 'usage'>>;
  /** Whether this object runs the controllers. */
  readonly isLeader: () => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** A database or a store that answers later does not answer. */
const limitMs = 10_000;

/** Records what the worker has, while this object leads. */
export function composeInventory(components: InventoryOfWorker): Disposable {
  const { workerName, isLeader, clock, logger } = components;
  return inventoryMetrics({
    measure: async (signal) => await inventoryOf(components, signal),
    isLeader,
    now: () => clock.now(),
    onError: (error) => logger.warn('containers and volumes not counted', { workerName, error }),
  });
}

async function inventoryOf(
  { workerName, queries, archiveStores, clock, logger }: InventoryOfWorker,
  signal: AbortSignal,
): Promise<Inventory> {
  const counting = (counted: AbortSignal): ReturnType<Repository['queries']['countRows']> =>
    queries.countRows(workerName, { signal: counted });
  const { containers, volumes, archives } = await within(limitMs, clock, counting, signal);
  const usageOf = async (store: string): Promise<StoredInventory['usage']> => {
    const asking = async (asked: AbortSignal): Promise<StoredInventory['usage']> =>
      await archiveStores.get(store)?.usage({ signal: asked });
    try {
      return await within(limitMs, clock, asking, signal);
    } catch (error) {
      signal.throwIfAborted();
      // Without its usage, the store still counts with what the database has.
      logger.warn('usage of the store not measured', { workerName, store, error });
      return undefined;
    }
  };
  const names = new Set([...archiveStores.keys(), ...archives.map(({ store }) => store)]);
  const stores = await Promise.all(
    [...names].map(async (store) => ({
      store,
      archivedBytes: archives.find((row) => row.store === store)?.storedBytes ?? 0,
      usage: await usageOf(store),
    })),
  );
  return { containers, volumes, stores };
}
