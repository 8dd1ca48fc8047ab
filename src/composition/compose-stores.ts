import { archiveKey } from '../archives/archive-key.ts';
import type { ArchiveService } from '../archives/archive-service.ts';
import { Archives } from '../archives/archives.ts';
import { Eviction } from '../archives/eviction.ts';
import { StoreTransfers } from '../archives/store-transfers.ts';
import type { CacheArchives } from '../caches/cache-archives.ts';
import type { PodSupervisor } from '../pods/pod-supervisor.ts';
import type { Repository } from '../repository/repository.ts';
import type { Clock, Logger } from '../runtime/options.ts';
import type { ArchiveStore } from '../stores/archive-store.ts';
import type { FrameStore } from '../stores/frame-store.ts';
import { type OpenPvcStoreComponents, openPvcStore } from '../stores/pvc/open-pvc-store.ts';
import { PartBuffers } from '../stores/s3/part-buffers.ts';
import { openS3Store } from '../stores/s3/s3-store.ts';
import { chooseStores } from '../stores/store-choice.ts';
import { podStoreName } from '../stores/store-names.ts';
import type { StoresOptions } from '../stores/stores-options.ts';
import { archiveMetrics } from '../telemetry/archive-metrics.ts';
import type { OutputSaving } from '../worker/process/output-saver.ts';

export interface WorkerStoresComponents {
  readonly workerName: string;
  readonly installationId: string;
  readonly repository: Repository;
  readonly podStore: FrameStore;
  readonly cluster: OpenPvcStoreComponents['cluster'];
  readonly launcher: OpenPvcStoreComponents['launcher'];
  readonly remover: OpenPvcStoreComponents['remover'];
  readonly agents: OpenPvcStoreComponents['agents'];
  readonly pods: Pick<PodSupervisor, 'retry'> & OpenPvcStoreComponents['pods'];
  /** The image of pods that run no program of an image. */
  readonly image: string;
  /** How long a read of a store may go without progress while it continues, in milliseconds. */
  readonly retryBudgetMs: number;
  readonly leaseMs: number;
  /** How long a store may provide no byte. */
  readonly stallMs: number;
  /** Returns a new UUID. */
  readonly newId: () => string;
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
  /** How long a transfer retries while its store is unavailable, in milliseconds. */
  readonly unavailableBudgetMs: number;
  /** Closes all stores. */
  readonly close: () => Promise<void>;
}

/** Opens the stores of the options. */
function openStores(
  { pvc, s3, partBuffers: buffers = new PartBuffers(), custom = [] }: StoresOptions,
  components: WorkerStoresComponents,
): ArchiveStore[] {
  const { installationId, newId, clock, logger } = components;
  const probeKey = (): string => archiveKey(installationId, newId(), 1);
  return [
    ...(pvc === undefined ? [] : [openPvcStore(pvc, { ...components, probeKey })]),
    ...(s3 === undefined ? [] : [openS3Store(s3, { clock, logger, buffers })]),
    ...custom,
  ];
}

/** Composes the archive stores of a worker. */
export function composeStores(options: StoresOptions, components: WorkerStoresComponents): WorkerStores {
  const stores = openStores(options, components);
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
    unavailableBudgetMs: budgetMs,
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
  const { newId, reapSoon } = components;
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
    newId,
    leaseMs,
    readBudgetMs,
    clock,
    logger,
    observer: archiveMetrics(),
  });
}
