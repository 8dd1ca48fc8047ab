import { randomUUID } from 'node:crypto';

import type { AgentClientOptions } from './agent-client/agent-client.ts';
import { ConnectionLimits } from './agent-client/session/connection-limits.ts';
import { checkedImages } from './check-worker-options.ts';
import { checkWorker } from './checks/check-worker.ts';
import { probeWorker } from './checks/probe-worker.ts';
import { Reaper } from './controllers/reaper.ts';
import { WorkerNotFoundError } from './errors/worker.ts';
import { EventHub } from './events/event-hub.ts';
import { MessageBuffers } from './exec/message-buffers.ts';
import { execProtocols, ProtocolOrder } from './exec/protocol-order.ts';
import { messageBufferBytes } from './exec/stdin-frames.ts';
import type { ImageSettings } from './images/image-settings.ts';
import { hostMask } from './internal/host-mask.ts';
import { silentLogger } from './internal/silent-logger.ts';
import { systemClock } from './internal/system-clock.ts';
import { within } from './internal/within.ts';
import { ClientNodeCluster } from './kubernetes/api/client-node-cluster.ts';
import { installationSelector, workerSelector } from './kubernetes/pod-spec/labels.ts';
import { podName } from './kubernetes/pod-spec/pod-name.ts';
import { PodWatch } from './kubernetes/pod-state/pod-watch.ts';
import { polling } from './kubernetes/pod-state/polled-pods.ts';
import { permissionsFor, secretPermissions } from './kubernetes/required-permissions.ts';
import { Placement } from './placement/placement.ts';
import { checkAgentBinary } from './pods/agent-binary.ts';
import { AgentDelivery } from './pods/agent-delivery.ts';
import { AgentPool } from './pods/agent-pool.ts';
import { connectByExec } from './pods/exec-agent.ts';
import { OldAgents } from './pods/old-agents.ts';
import { PodLauncher } from './pods/pod-launcher.ts';
import { PodLogs } from './pods/pod-logs.ts';
import { PodRemover } from './pods/pod-remover.ts';
import { PodSupervisor } from './pods/pod-supervisor.ts';
import { QuotaQueue } from './pods/quota-queue.ts';
import type { Repository } from './repository/repository.ts';
import type { CheckOptions, CheckReport } from './runtime/check.ts';
import type { AbortOptions } from './runtime/options.ts';
import type { TransferOptions } from './runtime/transfer-options.ts';
import type { ArtifactStore } from './stores/artifact-store.ts';
import { PodStore } from './stores/pod-store.ts';
import { apiMetrics, quotaMetrics, watchMetrics } from './telemetry/cluster-metrics.ts';
import { connectionMetrics } from './telemetry/connection-metrics.ts';
import { OpenTelemetryTracing } from './telemetry/open-telemetry-tracing.ts';
import { transferMetrics } from './telemetry/transfer-metrics.ts';
import { upkeepMetrics } from './telemetry/upkeep-metrics.ts';
import { PodWorker } from './worker/pod-worker.ts';
import { OpenStreams } from './worker/retention/open-streams.ts';
import { composeCaches } from './worker-caches.ts';
import { Controllers } from './worker-controllers.ts';
import { composeHermetic } from './worker-hermetic.ts';
import { composeImages } from './worker-images.ts';
import { composeInventory } from './worker-inventory.ts';
import { type KubernetesWorkerOptions, keepingOf, withDefaults } from './worker-options.ts';
import { composeRegistrar } from './worker-registrar.ts';
import { composeStores } from './worker-stores.ts';
import { temporaryVolumes } from './worker-volumes.ts';

/** The time between two searches for keys without an archive. */
const defaultSweepMs = 6 * 60 * 60 * 1000;

const defaultStallMs = 120_000;

/**
 * A worker on a Kubernetes cluster and a PostgreSQL database.
 *
 * @public
 */
export class KubernetesWorker extends PodWorker {
  /**
   * Opens a worker: migrates the database and registers the worker's name. The worker connects to
   * the cluster when a call first needs it. The signal stops the opening.
   *
   * @example
   * ```ts
   * import { KubernetesWorker } from 'kubernetes-worker';
   *
   * await using worker = await KubernetesWorker.open({
   *   name: 'ci',
   *   namespace: 'ci',
   *   database: 'postgres://ci@db/ci',
   *   reconnectTimeoutMs: 600_000,
   * });
   * ```
   *
   * @throws InvalidSpecError if an option is invalid; the error names the field
   * @throws RepositoryUnavailableError if the database does not answer
   * @throws SchemaTooNewError if a newer version of the library has migrated the database
   * @throws WorkerNotFoundError if the database has no worker of the name, with `register: false`
   */
  static async open(options: KubernetesWorkerOptions): Promise<KubernetesWorker> {
    const { cluster, images } = await readOptions(options);
    const { signal, logger = silentLogger, migrate } = options;
    // Imported here, because kysely takes as long to load as all modules of the library.
    const { openRepository } = await import('./repository/postgres/open-repository.ts');
    const repository = await openRepository(options.database, { migrate, logger, signal });
    try {
      const installationId = await installationOf(options, repository);
      return compose(options, { cluster, repository, installationId, images });
    } catch (error) {
      await repository.close();
      throw error;
    }
  }

  /**
   * Examines what a worker with these options would depend on, as `Worker.check` does, without
   * opening it: it neither migrates the database nor registers the worker's name. A database or an
   * API server that does not answer is a finding.
   *
   * @example
   * ```ts
   * import { KubernetesWorker } from 'kubernetes-worker';
   *
   * const options = { name: 'ci', namespace: 'ci', database: 'postgres://ci@db/ci' };
   * const { ok, findings } = await KubernetesWorker.check(options, { stores: true, images: true });
   * if (!ok) console.error(findings.filter(({ outcome }) => outcome === 'failure'));
   * ```
   *
   * @throws InvalidSpecError if an option is invalid; the error names the field
   */
  static async check(options: KubernetesWorkerOptions, checking: CheckOptions = {}): Promise<CheckReport> {
    const { cluster, images } = await readOptions(options);
    const repository = await openUnchecked(options, checking);
    const installationId = await repository.installationId({ signal: checking.signal }).catch(() => undefined);
    const foundations = { cluster, repository, images, mayBeUnregistered: true };
    const examined: KubernetesWorkerOptions = {
      ...options,
      reapEveryMs: undefined,
      heartbeatEveryMs: undefined,
      // What a store creates belongs to the installation.
      stores: installationId === undefined ? undefined : options.stores,
    };
    await using worker = compose(examined, { ...foundations, installationId: installationId ?? randomUUID() });
    return await worker.check(checking);
  }
}

/**
 * Registers the worker's name, or requires that it is registered. Returns the ID of the installation.
 *
 * @throws WorkerNotFoundError
 */
async function installationOf(
  { name, register = true, signal }: KubernetesWorkerOptions,
  repository: Repository,
): Promise<string> {
  if (register) return (await repository.workers.register(name, { signal })).installationId;
  if ((await repository.workerStates.find(name, { signal })) === undefined) throw new WorkerNotFoundError(name);
  return await repository.installationId({ signal });
}

/** Opens the database whatever its schema is. */
async function openUnchecked(
  { database, logger = silentLogger }: KubernetesWorkerOptions,
  { signal }: AbortOptions,
): Promise<Repository> {
  const { openRepository } = await import('./repository/postgres/open-repository.ts');
  return await openRepository(database, { migrate: 'unchecked', logger, signal });
}

/** @throws InvalidSpecError */
async function readOptions(options: KubernetesWorkerOptions): Promise<Pick<Foundations, 'cluster' | 'images'>> {
  const images = checkedImages(options);
  await checkAgentBinary(options.agentBinary, options.architecture);
  const { kubeConfig, namespace } = options;
  return { cluster: await ClientNodeCluster.fromConfig({ kubeConfig, namespace, observe: apiMetrics() }), images };
}

/** The components that all others depend on. */
interface Foundations {
  readonly cluster: ClientNodeCluster;
  readonly repository: Repository;
  readonly installationId: string;
  readonly images: ImageSettings;
  /** Whether the worker's name need not be registered. @defaultValue false */
  readonly mayBeUnregistered?: boolean;
}

function compose(
  options: KubernetesWorkerOptions,
  { cluster, repository, installationId, images: settings, mayBeUnregistered = false }: Foundations,
): KubernetesWorker {
  const { name, logger = silentLogger, clock = systemClock() } = options;
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
  const delivery = new AgentDelivery(cluster, {
    architecture: options.architecture,
    path: options.agentBinary,
    configMap: options.agentConfigMap,
  });
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
  const exec = {
    buffers: new MessageBuffers(messageBufferBytes),
    protocols: new ProtocolOrder(options.execProtocols ?? execProtocols),
    observe: apiMetrics(),
  };
  const limits = new ConnectionLimits({
    maxTransfers: options.transfers?.maxConcurrent,
    maxAttachments: options.maxAttachments,
  });
  const agents = new AgentPool({
    connect: (pod, connecting) => connectByExec(cluster, pod, { ...connecting, ...exec }),
    clock,
    logger,
    limits,
    transferEnded: transferMetrics(),
    options: agentOptions(options.transfers ?? {}, reconnectTimeoutMs),
  });
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
    newId: randomUUID,
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
    newId: randomUUID,
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
    heartbeats,
    leaderElection: options.leaderElection ?? false,
    upkeep,
    apart: (work) => tracing.apart(work),
    newId: randomUUID,
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
  const streams = new OpenStreams({ streams: repository.streams, newId: randomUUID, clock, logger, reapSoon });
  const temporary = temporaryVolumes({
    workerName: name,
    repository,
    pods,
    store: podStore,
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
  return new KubernetesWorker({
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
          mayBeUnregistered,
          archiveStores,
          examineImages,
          hermetic,
          newId: randomUUID,
          clock,
        },
        checking,
      ),
    podName,
    newId: randomUUID,
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
  });
}

function agentOptions(
  { stallTimeoutMs, firstRetryMs: firstMs = 100, longestRetryMs: longestMs = 5_000, windowBytes }: TransferOptions,
  retryBudgetMs: number,
): AgentClientOptions {
  return {
    stallMs: stallTimeoutMs,
    retryBudgetMs,
    retryBackoff: { firstMs, longestMs },
    downloadWindowBytes: windowBytes,
  };
}
