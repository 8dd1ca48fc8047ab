import type { Caches } from '../../../../src/caches/caches.ts';
import { Reaper } from '../../../../src/controllers/reaper.ts';
import type { Registrar } from '../../../../src/controllers/registrar.ts';
import { EventHub } from '../../../../src/events/event-hub.ts';
import type { HermeticGuard } from '../../../../src/hermetic/hermetic-guard.ts';
import { imageSettings } from '../../../../src/images/image-settings.ts';
import { installationSelector, workerSelector } from '../../../../src/kubernetes/pod-spec/labels.ts';
import { podName } from '../../../../src/kubernetes/pod-spec/pod-name.ts';
import { PodWatch } from '../../../../src/kubernetes/pod-state/pod-watch.ts';
import type { Placement } from '../../../../src/placement/placement.ts';
import type { AgentDelivery } from '../../../../src/pods/agent-delivery.ts';
import { PodLauncher } from '../../../../src/pods/pod-launcher.ts';
import { PodLogs } from '../../../../src/pods/pod-logs.ts';
import { PodRemover } from '../../../../src/pods/pod-remover.ts';
import { PodSupervisor } from '../../../../src/pods/pod-supervisor.ts';
import { QuotaQueue } from '../../../../src/pods/quota-queue.ts';
import { openRepository } from '../../../../src/repository/postgres/open-repository.ts';
import { PodStore } from '../../../../src/stores/pod-store.ts';
import { PodWorker } from '../../../../src/worker/pod-worker.ts';
import type { OpenStreams } from '../../../../src/worker/retention/open-streams.ts';
import { composeImages } from '../../../../src/worker-images.ts';
import { silentLogger } from '../../../support/silent-logger.ts';
import { untraced } from '../../../support/untraced.ts';
import type { Gate } from './gate.ts';
import type { HostClock } from './host-clock.ts';
import { type AgentObserver, memoryAgents } from './memory-agents.ts';
import { type DeletionObserver, memoryCluster } from './memory-cluster.ts';
import type { MemoryPods } from './memory-pods.ts';
import type { ModelDatabase } from './model-database.ts';

export const workerName = 'w';
/** Shorter than the steps of time of the model, so that leases lapse often. */
export const leaseMs = 10_000;
export const hijackGraceMs = 20_000;
export const artifactLeaseMs = 40_000;
export const artifactTimeToLiveMs = 120_000;
const timeouts = { startMs: 20_000, schedulingMs: 20_000, imagePullMs: 20_000, reconnectMs: 30_000 };
const image = 'busybox:1';

export interface ReplicaParts {
  /** The name of this incarnation. A restarted replica has another one. */
  readonly id: string;
  readonly gate: Gate;
  readonly database: ModelDatabase;
  readonly pods: MemoryPods;
  readonly clock: HostClock;
  readonly observer: DeletionObserver & AgentObserver;
}

const delivery = {
  architecture: async () => 'amd64',
  ensure: async () => 'agent',
  restore: async () => undefined,
  rehearse: async () => undefined,
} as unknown as AgentDelivery;

// The model has no config maps, no reservations, and no transfer that outlives its call.
const oldAgents = { find: async () => [], remove: async () => false };
const reservations = { prune: async () => 0 };
const streams = {
  open: () => ({ held: Promise.resolve(), close: async () => undefined }),
  settled: async () => undefined,
} as unknown as OpenStreams;

/**
 * Opens a worker of the library's own parts, as `KubernetesWorker.open` composes them, over the
 * database, the pods and the agents of the model.
 */
export async function openReplica({
  id,
  gate,
  database,
  pods: memory,
  clock,
  observer,
}: ReplicaParts): Promise<PodWorker> {
  const pool = database.poolOf(id, gate);
  const logger = silentLogger;
  const repository = await openRepository(pool, { migrate: false, logger });
  const { installationId } = await repository.workers.register(workerName);
  pool.gated = true;
  const cluster = memoryCluster(id, gate, memory, observer);
  const agents = memoryAgents(id, gate, memory, observer);
  const labelSelector = workerSelector(installationId, workerName);
  const watch = new PodWatch({ cluster, labelSelector, clock, logger });
  const quotaQueue = new QuotaQueue({ clock, limitMs: timeouts.schedulingMs, maxWaiting: 10 });
  const common = { cluster, delivery, clock, logger, timeouts };
  const launcher = new PodLauncher({ ...common, workerName, installationId, podOptions: {}, quotaQueue });
  const pods = new PodSupervisor({ ...common, watch, agents, mask: (text) => text });
  const events = new EventHub({ clock });
  const { emit } = events;
  const tracing = untraced;
  const remover = new PodRemover({
    cluster,
    installationSelector: installationSelector(installationId),
    watch,
    agents,
    clock,
    emit,
    tracing,
  });
  const podStore = new PodStore({ workerName, agents, launcher, pods, remover, podName, image });
  const settings = imageSettings({}, image);
  const { images } = composeImages({ settings, pullSecrets: [], ...common });
  const stores = new Map([[podStore.name, podStore]]);
  const { containers, queries, volumes } = repository;
  const reaping = { containers, queries, volumes, pods: remover, stores, hijackGraceMs, finishedOwnerTtlMs: 10 ** 9 };
  const keeping = { leaseGraceMs: leaseMs, maxKept: 50, maxKeptMs: 10 ** 9 };
  let ids = 0;
  const newId = (): string => `${id}-${(ids += 1)}`;
  const temporary = {
    workerName,
    volumes,
    caches: repository.caches,
    store: podStore,
    newId,
    leaseMs: artifactLeaseMs,
    copyExpiryMs: artifactLeaseMs,
    retry: <T>(work: () => Promise<T>, options: { readonly signal?: AbortSignal | undefined }) =>
      pods.retry(work, options),
    clock,
    logger,
  };
  return new PodWorker({
    ...common,
    name: workerName,
    repository,
    agents,
    pods,
    logs: new PodLogs(common),
    launcher,
    images,
    hermetic: {} as HermeticGuard,
    privilegedTeams: [],
    controllers: { leadership: { role: 'none', confirmedAt: undefined }, stop: async () => undefined },
    probe: async () => [],
    stores,
    podStore,
    artifactStore: podStore.name,
    archiveStores: new Map(),
    temporary,
    unavailableBudgetMs: 1,
    caches: {} as Caches,
    reaper: new Reaper({ workerName, logger, clock, oldAgents, keeping, reservations, emit, tracing, ...reaping }),
    streams,
    maxKeptMs: keeping.maxKeptMs,
    registrar: {} as Registrar,
    placement: {} as Placement,
    archives: undefined,
    saving: undefined,
    events,
    tracing,
    traceEnvironment: false,
    reapSoon: () => undefined,
    remover,
    check: async () => ({ isOk: true, findings: [] }) as never,
    podName,
    newId,
    leaseMs,
    artifactTimeToLiveMs,
    hijackGraceMs,
    close: async () => undefined,
  });
}
