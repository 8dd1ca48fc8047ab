import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';

import { checkedImages } from './check-worker-options.ts';
import { composeWorker, type Foundations } from './compose-worker.ts';
import { WorkerNotFoundError } from './errors/worker.ts';
import { silentLogger } from './internal/silent-logger.ts';
import { systemClock } from './internal/system-clock.ts';
import { ClientNodeCluster } from './kubernetes/api/client-node-cluster.ts';
import { checkAgentBinary } from './pods/agent-binary.ts';
import { AgentDelivery } from './pods/agent-delivery.ts';
import type { Repository } from './repository/repository.ts';
import type { CheckOptions, CheckReport } from './runtime/check.ts';
import type { AbortOptions } from './runtime/options.ts';
import { apiMetrics } from './telemetry/cluster-metrics.ts';
import { PodWorker } from './worker/pod-worker.ts';
import { composeAgents } from './worker-agents.ts';
import type { KubernetesWorkerOptions } from './worker-options.ts';

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
    const foundations = await readOptions(options);
    const { signal, logger = silentLogger, migrate } = options;
    // Imported here, because kysely takes as long to load as all modules of the library.
    const { openRepository } = await import('./repository/postgres/open-repository.ts');
    const repository = await openRepository(options.database, { migrate, logger, signal });
    try {
      const installationId = await installationOf(options, repository);
      return new KubernetesWorker(composeWorker(options, { ...foundations, repository, installationId }));
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
    const read = await readOptions(options);
    const repository = await openUnchecked(options, checking);
    const installationId = await repository.installationId({ signal: checking.signal }).catch(() => undefined);
    const foundations = { ...read, repository, mayBeUnregistered: true };
    const examined: KubernetesWorkerOptions = {
      ...options,
      reapEveryMs: undefined,
      heartbeatEveryMs: undefined,
      // What a store creates belongs to the installation.
      stores: installationId === undefined ? undefined : options.stores,
    };
    const components = composeWorker(examined, { ...foundations, installationId: installationId ?? randomUUID() });
    await using worker = new KubernetesWorker(components);
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

/**
 * Checks the options, and composes what neither the database nor a running cluster is needed for.
 *
 * @throws InvalidSpecError
 */
async function readOptions(
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
    heartbeatEveryMs: options.heartbeatEveryMs,
    heartbeats,
    leaderElection: options.leaderElection ?? false,
    upkeep,
    apart: (work) => tracing.apart(work),
    newHolder: () => `${hostname()}/${randomUUID()}`,
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
