import { randomUUID } from 'node:crypto';

import type { ArchiveService } from './archives/archive-service.ts';
import { Archives } from './archives/archives.ts';
import { Eviction } from './archives/eviction.ts';
import { StoreTransfers } from './archives/store-transfers.ts';
import type { CacheArchives } from './caches/cache-archives.ts';
import type { PodSupervisor } from './pods/pod-supervisor.ts';
import type { Repository } from './repository/repository.ts';
import type { Clock, Logger } from './runtime/options.ts';
import type { ArchiveStore } from './stores/archive-store.ts';
import type { FrameStore } from './stores/frame-store.ts';
import { chooseStores, podStoreName } from './stores/store-choice.ts';
import type { StoresOptions } from './stores/stores-options.ts';
import { archiveMetrics } from './telemetry/archive-metrics.ts';
import type { OutputSaving } from './worker/output-saver.ts';

export interface WorkerStoresComponents {
  readonly workerName: string;
  readonly installationId: string;
  readonly repository: Repository;
  readonly podStore: FrameStore;
  readonly pods: Pick<PodSupervisor, 'retry'>;
  readonly leaseMs: number;
  /** How long a store may provide no byte. */
  readonly stallMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Called when the reaper has something to do. */
  readonly reapSoon: () => void;
}

/** How long a cache waits for an unavailable store at most, in milliseconds: a step waits as well. */
const cacheBudgetMs = 30_000;

/** The archive stores of a worker, and what uses them. */
export interface WorkerStores {
  /** By name. */
  readonly archiveStores: ReadonlyMap<string, ArchiveStore>;
  /** `undefined` for a worker without archive stores. */
  readonly archives: ArchiveService | undefined;
  /** `undefined` if outputs stay in their pods. */
  readonly saving: OutputSaving | undefined;
  /** The name of the store of new artifacts. */
  readonly artifacts: string;
  /** Where caches are kept. `undefined` for a worker without archive stores. */
  readonly cacheArchives: CacheArchives | undefined;
  /** Closes all stores. */
  readonly close: () => Promise<void>;
}

/** Opens the stores of the options. Each driver of the library has a field of its own. */
const drivers: Readonly<
  Record<string, (options: StoresOptions, components: WorkerStoresComponents) => ArchiveStore[]>
> = {
  custom: ({ custom = [] }) => [...custom],
};

/** Composes the archive stores of a worker. */
export function composeStores(options: StoresOptions = {}, components: WorkerStoresComponents): WorkerStores {
  const stores = Object.values(drivers).flatMap((open) => open(options, components));
  const archiveStores = new Map(stores.map((store) => [store.name, store]));
  const { outputs, artifacts, caches, saveOutputs: when, unavailableBudgetMs: budgetMs } = chooseStores(options);
  const archives = stores.length === 0 ? undefined : composeArchives(archiveStores, budgetMs, components);
  return {
    archiveStores,
    archives,
    cacheArchives: archives && {
      service: archives,
      rows: components.repository.archives,
      store: caches === podStoreName ? undefined : caches,
      budgetMs: Math.min(budgetMs, cacheBudgetMs),
    },
    saving: outputs === podStoreName ? undefined : { store: outputs, when, budgetMs },
    artifacts,
    close: async () => {
      await Promise.all(stores.map((store) => store.close()));
    },
  };
}

function composeArchives(
  stores: ReadonlyMap<string, ArchiveStore>,
  readBudgetMs: number,
  components: WorkerStoresComponents,
): Archives {
  const { workerName, installationId, repository, podStore, pods, leaseMs, stallMs, clock, logger } = components;
  const { reapSoon } = components;
  const { archives } = repository;
  const eviction = new Eviction({ workerName, installationId, archives, stores, logger, reapSoon });
  return new Archives({
    freeSpace: (store, bytes, options) => eviction.freeSpace(store, bytes, options),
    workerName,
    installationId,
    archives,
    transfers: new StoreTransfers({ clock, stallMs }),
    stores,
    pods: podStore,
    retry: (work, options) => pods.retry(work, options),
    newId: randomUUID,
    leaseMs,
    readBudgetMs,
    clock,
    logger,
    observer: archiveMetrics(),
  });
}
