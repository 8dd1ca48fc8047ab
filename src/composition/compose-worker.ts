import { hostname } from 'node:os';

import { checkWorker } from '../checks/check-worker.ts';
import { probeWorker } from '../checks/probe-worker.ts';
import { Reaper } from '../controllers/reaper.ts';
import { EventHub } from '../events/event-hub.ts';
import type { ImageSettings } from '../images/image-settings.ts';
import { hostMask } from '../internal/host-mask.ts';
import { silentLogger } from '../internal/silent-logger.ts';
import { within } from '../internal/within.ts';
import type { Cluster } from '../kubernetes/cluster.ts';
import { installationSelector, workerSelector } from '../kubernetes/pod-spec/labels.ts';
import { podName } from '../kubernetes/pod-spec/pod-name.ts';
import { PodWatch } from '../kubernetes/pod-state/pod-watch.ts';
import { polling } from '../kubernetes/pod-state/polled-pods.ts';
import { permissionsFor, secretPermissions } from '../kubernetes/required-permissions.ts';
import { Placement } from '../placement/placement.ts';
import type { AgentDelivery } from '../pods/agent-delivery.ts';
import { OldAgents } from '../pods/old-agents.ts';
import { PodLauncher } from '../pods/pod-launcher.ts';
import { PodLogs } from '../pods/pod-logs.ts';
import { PodRemover } from '../pods/pod-remover.ts';
import { PodSupervisor } from '../pods/pod-supervisor.ts';
import { QuotaQueue } from '../pods/quota-queue.ts';
import type { Repository } from '../repository/repository.ts';
import type { Clock } from '../runtime/options.ts';
import type { ArtifactStore } from '../stores/artifact-store.ts';
import { PodStore } from '../stores/pod-store.ts';
import { quotaMetrics, watchMetrics } from '../telemetry/cluster-metrics.ts';
import { connectionMetrics } from '../telemetry/connection-metrics.ts';
import { OpenTelemetryTracing } from '../telemetry/open-telemetry-tracing.ts';
import { upkeepMetrics } from '../telemetry/upkeep-metrics.ts';
import type { PodWorkerComponents } from '../worker/pod-worker-components.ts';
import { OpenStreams } from '../worker/retention/open-streams.ts';
import { type KubernetesWorkerOptions, keepingOf, withDefaults } from '../worker-options.ts';
import type { WorkerAgents } from './compose-agents.ts';
import { composeCaches } from './compose-caches.ts';
import { composeHermetic } from './compose-hermetic.ts';
import { composeImages } from './compose-images.ts';
import { composeInventory } from './compose-inventory.ts';
import { composeRegistrar } from './compose-registrar.ts';
import { composeStores } from './compose-stores.ts';
import { Controllers } from './controllers.ts';
import { temporaryVolumes } from './temporary-volumes.ts';

/** The time between two searches for keys without an archive. */
const defaultSweepMs = 6 * 60 * 60 * 1000;

const defaultStallMs = 120_000;

/** The components that all others depend on. */
export interface Foundations {
  readonly cluster: Cluster;
  readonly repository: Repository;
  readonly installationId: string;
  readonly images: ImageSettings;
  readonly delivery: AgentDelivery;
  readonly agents: WorkerAgents;
  readonly clock: Clock;
  /** Returns a new UUID. */
  readonly newId: () => string;
  /** Whether the worker's name need not be registered. @defaultValue false */
  readonly mayBeUnregistered?: boolean | undefined;
}

/** Composes the components of a worker. The worker closes them. */
export function composeWorker(options: KubernetesWorkerOptions, foundations: Foundations): PodWorkerComponents {
  const { name, logger = silentLogger } = options;
  const { cluster, repository, installationId, images: settings, delivery, clock, newId } = foundations;
  const { pool: agents, limits, exec } = foundations.agents;
  const {
    startTimeoutMs,
    imagePullTimeoutMs,
    schedulingTimeoutMs,
    maxWaitingForQuota,
    reconnectTimeoutMs,
    artifactTimeToLiveMs,
    cacheTimeToLiveMs,
    leaseMs,
    hijackGraceMs,
    finishedOwnerTtlMs,
  } = withDefaults(options);
  const keeping = keepingOf(options);
  const tracing = new OpenTelemetryTracing({ clock });
  const now = (): number => clock.now();
  const [observer, upkeep] = [watchMetrics(now), upkeepMetrics(now)];
  const quota = quotaMetrics(() => quotaQueue.length);
  const quotaQueue = new QuotaQueue({
    clock,
    limitMs: schedulingTimeoutMs,
    maxWaiting: maxWaitingForQuota,
    waited: (durationMs) => quota.waited(durationMs),
  });
  const observers: Disposable[] = [observer, upkeep, quota];
  const timeouts = {
    startMs: startTimeoutMs,
    schedulingMs: schedulingTimeoutMs,
    imagePullMs: imagePullTimeoutMs,
    reconnectMs: reconnectTimeoutMs,
  };
  const podOptions = options.pods ?? {};
  const launcher = new PodLauncher({
    cluster,
    workerName: name,
    installationId,
    delivery,
    podOptions,
    labelPrefix: options.labelPrefix,
    pullPolicy: options.images?.pullPolicy,
    clock,
    logger,
    timeouts,
    quotaQueue,
  });
  // Longer than the creation of a pod may take.
  const podLeaseMs = schedulingTimeoutMs + startTimeoutMs + 60_000;
  const labelSelector = workerSelector(installationId, name);
  const watching = { cluster, labelSelector, clock, logger, observer };
  const watch = new PodWatch(options.podObservation === 'poll' ? polling(watching) : watching);
  const mask = hostMask(options.mask, logger);
  const pods = new PodSupervisor({ cluster, watch, agents, delivery, clock, logger, timeouts, mask });
  const events = new EventHub({ clock });
  const { emit } = events;
  const remover = new PodRemover({
    cluster,
    installationSelector: installationSelector(installationId),
    watch,
    agents,
    clock,
    emit,
    tracing,
  });
  const reapSoon = (): void => controllers.reapSoon();
  const { volumeImage: image } = settings;
  const podStore = new PodStore({ workerName: name, agents, launcher, pods, remover, podName, image });
  const storage = composeStores(options.stores ?? {}, {
    workerName: name,
    installationId,
    repository,
    podStore,
    cluster,
    launcher,
    remover,
    agents,
    pods,
    image,
    retryBudgetMs: reconnectTimeoutMs,
    newId,
    leaseMs,
    stallMs: options.transfers?.stallTimeoutMs ?? defaultStallMs,
    clock,
    logger,
    reapSoon,
  });
  const { archives, archiveStores, saving } = storage;
  const pullSecrets = podOptions.imagePullSecrets ?? [];
  const {
    images,
    preflight,
    examine: examineImages,
  } = composeImages({ settings, pullSecrets, cluster, delivery, clock, logger });
  const hermetic = composeHermetic({
    workerName: name,
    containers: repository.containers,
    cluster,
    launcher,
    pods,
    podName,
    newId,
    image,
    leaseMs: podLeaseMs,
    startTimeoutMs,
    exec,
    clock,
    logger,
  });
  const permissions = [...permissionsFor(options), ...(preflight === undefined ? [] : secretPermissions(pullSecrets))];
  const stores = new Map([[podStore.name, podStore]]);
  const reaper = new Reaper({
    workerName: name,
    containers: repository.containers,
    queries: repository.queries,
    volumes: repository.volumes,
    pods: remover,
    stores,
    oldAgents: new OldAgents({ cluster, delivery, configMap: options.agentConfigMap, logger }),
    clock,
    logger,
    hijackGraceMs,
    // As long as a lease: a host that waits takes over what it would otherwise lose to the reaper.
    keeping: { ...keeping, leaseGraceMs: leaseMs },
    finishedOwnerTtlMs,
    reservations: repository.reservations,
    emit,
    tracing,
    upkeep,
    archives:
      archiveStores.size === 0 ? undefined : { installationId, rows: repository.archives, stores: archiveStores },
    caches: options.caches && { rows: repository.caches, limits: options.caches },
  });
  const placement = new Placement({
    workerName: name,
    cluster,
    labelSelector,
    repository,
    hasArchiveStore: (store) => archiveStores.has(store),
    podOf: ({ store, location }) => (store === podStore.name ? podStore.podOf(location) : undefined),
    newId,
    emit,
  });
  const probed = new Map<string, Pick<ArtifactStore, 'name' | 'probe'>>([...stores, ...archiveStores]);
  const { registrar, heartbeats } = composeRegistrar({
    workerName: name,
    states: repository.workerStates,
    cluster,
    stores: probed,
    pods: remover,
    everyMs: options.heartbeatEveryMs,
    tracing,
    upkeep,
    clock,
    logger,
  });
  const controllers = Controllers.start({
    workerName: name,
    repository,
    reaper,
    reapEveryMs: options.reapEveryMs,
    sweepEveryMs: archiveStores.size === 0 ? undefined : (options.stores?.sweepEveryMs ?? defaultSweepMs),
    heartbeatEveryMs: options.heartbeatEveryMs,
    heartbeats,
    leaderElection: options.leaderElection ?? false,
    upkeep,
    apart: (work) => tracing.apart(work),
    newHolder: () => `${hostname()}/${newId()}`,
    clock,
    logger,
  });
  observers.push(
    connectionMetrics(() => limits.places()),
    composeInventory({
      workerName: name,
      queries: repository.queries,
      archiveStores,
      isLeader: () => upkeep.isLeader,
      clock,
      logger,
    }),
  );
  const streams = new OpenStreams({ streams: repository.streams, newId, clock, logger, reapSoon });
  const temporary = temporaryVolumes({
    workerName: name,
    repository,
    pods,
    store: podStore,
    newId,
    leaseMs: podLeaseMs,
    clock,
    logger,
  });
  const caches = composeCaches({
    workerName: name,
    repository,
    pods,
    store: podStore,
    stores,
    newId,
    leaseMs: podLeaseMs,
    timeToLiveMs: cacheTimeToLiveMs,
    archives: storage.cacheArchives,
    maxKeyBytes: options.caches?.maxKeyBytes,
    emit,
    reapSoon,
    clock,
    logger,
  });
  const close = async (): Promise<void> => {
    await controllers.stop();
    preflight?.close();
    for (const each of observers) each[Symbol.dispose]();
    watch.close();
    agents.close();
    await Promise.all([streams.close(), storage.close()]);
    await repository.close();
  };
  return {
    name,
    repository,
    cluster,
    agents,
    pods,
    logs: new PodLogs({ cluster, clock, logger }),
    launcher,
    images,
    hermetic,
    privilegedTeams: options.privilegedTeams ?? [],
    stores,
    podStore,
    artifactStore: storage.artifacts,
    archiveStores,
    temporary,
    unavailableBudgetMs: storage.unavailableBudgetMs,
    caches,
    reaper,
    streams,
    maxKeptMs: keeping.maxKeptMs,
    reapSoon,
    registrar,
    remover,
    controllers,
    load: () => {
      const { upload, download, attachment, control } = limits.places();
      const waiting = { waiting: quotaQueue.length, limit: maxWaitingForQuota };
      return { uploads: upload, downloads: download, attachments: attachment, controls: control, quotaQueue: waiting };
    },
    probe: (probing) =>
      probeWorker(
        {
          workerName: name,
          states: repository.workerStates,
          cluster,
          stores: probed,
          within: (limitMs, work, signal) => within(limitMs, clock, work, signal),
        },
        probing,
      ),
    check: (checking) =>
      checkWorker(
        {
          workerName: name,
          cluster,
          permissions,
          workers: repository.workers,
          states: repository.workerStates,
          store: podStore,
          missingMigrations: (within) => repository.missingMigrations(within),
          mayBeUnregistered: foundations.mayBeUnregistered ?? false,
          archiveStores,
          examineImages,
          hermetic,
          newId,
          clock,
        },
        checking,
      ),
    podName,
    newId,
    leaseMs,
    clock,
    logger,
    artifactTimeToLiveMs,
    hijackGraceMs,
    events,
    tracing,
    traceEnvironment: options.traceEnvironment ?? false,
    placement,
    archives,
    saving,
    close,
  };
}
