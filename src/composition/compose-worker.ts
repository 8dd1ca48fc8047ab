import { hostname } from 'node:os';

import { Reaper } from '../controllers/reaper.ts';
import { EventHub } from '../events/event-hub.ts';
import { silentLogger } from '../internal/silent-logger.ts';
import { workerSelector } from '../kubernetes/pod-spec/labels.ts';
import { podName } from '../kubernetes/pod-spec/pod-name.ts';
import { Placement } from '../placement/placement.ts';
import { OldAgents } from '../pods/old-agents.ts';
import type { ArtifactStore } from '../stores/artifact-store.ts';
import { PodStore } from '../stores/pod-store.ts';
import { connectionMetrics } from '../telemetry/connection-metrics.ts';
import { OpenTelemetryTracing } from '../telemetry/open-telemetry-tracing.ts';
import { upkeepMetrics } from '../telemetry/upkeep-metrics.ts';
import type { PodWorkerComponents } from '../worker/pod-worker-components.ts';
import { OpenStreams } from '../worker/retention/open-streams.ts';
import { type KubernetesWorkerOptions, keepingOf, withDefaults } from '../worker-options.ts';
import { composeCaches } from './compose-caches.ts';
import { composeExaminations } from './compose-examinations.ts';
import { composeHermetic } from './compose-hermetic.ts';
import { composeImages } from './compose-images.ts';
import { composeInventory } from './compose-inventory.ts';
import { composePods } from './compose-pods.ts';
import { composeRegistrar } from './compose-registrar.ts';
import { composeStores } from './compose-stores.ts';
import { Controllers } from './controllers.ts';
import type { Foundations } from './foundations.ts';
import { temporaryVolumes } from './temporary-volumes.ts';

/** The time between two searches for keys without an archive. */
const defaultSweepMs = 6 * 60 * 60 * 1000;

const defaultStallMs = 120_000;

/** Composes the components of a worker. The worker closes them. */
export function composeWorker(options: KubernetesWorkerOptions, foundations: Foundations): PodWorkerComponents {
  const { name, logger = silentLogger } = options;
  const { cluster, repository, installationId, images: settings, delivery, clock, newId } = foundations;
  const { pool: agents, limits, exec } = foundations.agents;
  const {
    startTimeoutMs,
    schedulingTimeoutMs,
    reconnectTimeoutMs,
    maxWaitingForQuota,
    artifactTimeToLiveMs,
    cacheTimeToLiveMs,
    leaseMs,
    hijackGraceMs,
    finishedOwnerTtlMs,
  } = withDefaults(options);
  const keeping = keepingOf(options);
  // What nearly every component has.
  const common = { workerName: name, newId, clock, logger };
  const tracing = new OpenTelemetryTracing({ clock });
  const upkeep = upkeepMetrics(() => clock.now());
  const events = new EventHub({ clock });
  const { emit } = events;
  const {
    launcher,
    pods,
    remover,
    logs,
    quotaQueue,
    close: closePods,
  } = composePods(options, foundations, {
    emit,
    tracing,
  });
  // Longer than the creation of a pod may take.
  const podLeaseMs = schedulingTimeoutMs + startTimeoutMs + 60_000;
  const reapSoon = (): void => controllers.reapSoon();
  const { volumeImage: image } = settings;
  const podStore = new PodStore({ workerName: name, agents, launcher, pods, remover, podName, image });
  const stores = new Map([[podStore.name, podStore]]);
  const storage = composeStores(options.stores ?? {}, {
    ...common,
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
    leaseMs,
    stallMs: options.transfers?.stallTimeoutMs ?? defaultStallMs,
    reapSoon,
  });
  const { archives, archiveStores, saving } = storage;
  const pullSecrets = options.pods?.imagePullSecrets ?? [];
  const { images, preflight, examine } = composeImages({ ...common, settings, pullSecrets, cluster, delivery });
  const hermetic = composeHermetic({
    ...common,
    containers: repository.containers,
    cluster,
    launcher,
    pods,
    podName,
    image,
    leaseMs: podLeaseMs,
    startTimeoutMs,
    exec,
  });
  const reaper = new Reaper({
    ...common,
    containers: repository.containers,
    queries: repository.queries,
    volumes: repository.volumes,
    pods: remover,
    stores,
    oldAgents: new OldAgents({ cluster, delivery, configMap: options.agentConfigMap, logger }),
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
    ...common,
    cluster,
    labelSelector: workerSelector(installationId, name),
    repository,
    hasArchiveStore: (store) => archiveStores.has(store),
    podOf: ({ store, location }) => (store === podStore.name ? podStore.podOf(location) : undefined),
    emit,
  });
  const probed = new Map<string, Pick<ArtifactStore, 'name' | 'probe'>>([...stores, ...archiveStores]);
  const { registrar, heartbeats } = composeRegistrar({
    ...common,
    states: repository.workerStates,
    cluster,
    stores: probed,
    pods: remover,
    everyMs: options.heartbeatEveryMs,
    tracing,
    upkeep,
  });
  const controllers = Controllers.start({
    ...common,
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
  });
  const observers = [
    upkeep,
    connectionMetrics(() => limits.places()),
    composeInventory({
      ...common,
      queries: repository.queries,
      archiveStores,
      isLeader: () => upkeep.isLeader,
    }),
  ];
  const streams = new OpenStreams({ ...common, streams: repository.streams, reapSoon });
  const besideContainers = { ...common, repository, pods, store: podStore, leaseMs: podLeaseMs };
  const temporary = temporaryVolumes(besideContainers);
  const caches = composeCaches({
    ...besideContainers,
    stores,
    timeToLiveMs: cacheTimeToLiveMs,
    archives: storage.cacheArchives,
    maxKeyBytes: options.caches?.maxKeyBytes,
    emit,
    reapSoon,
  });
  const examinations = composeExaminations(options, foundations, {
    store: podStore,
    archiveStores,
    probed,
    examineImages: examine,
    secretNames: preflight === undefined ? [] : pullSecrets,
    hermetic,
  });
  return {
    ...examinations,
    name,
    repository,
    cluster,
    agents,
    pods,
    logs,
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
    close: async () => {
      await controllers.stop();
      preflight?.close();
      for (const each of observers) each[Symbol.dispose]();
      closePods();
      agents.close();
      await Promise.all([streams.close(), storage.close()]);
      await repository.close();
    },
  };
}
