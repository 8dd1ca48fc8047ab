import { randomUUID } from 'node:crypto';

import type { KubeConfig } from '@kubernetes/client-node';

import type { AgentClientOptions } from './agent-client/agent-client.ts';
import { ConnectionLimits } from './agent-client/session/connection-limits.ts';
import { Reaper } from './controllers/reaper.ts';
import { InvalidSpecError } from './errors/caller.ts';
import { MessageBuffers } from './exec/message-buffers.ts';
import { type ExecProtocol, execProtocols, ProtocolOrder } from './exec/protocol-order.ts';
import { messageBufferBytes } from './exec/stdin-frames.ts';
import { silentLogger } from './internal/silent-logger.ts';
import { systemClock } from './internal/system-clock.ts';
import { ClientNodeCluster } from './kubernetes/client-node-cluster.ts';
import { workerSelector } from './kubernetes/labels.ts';
import { podName } from './kubernetes/pod-name.ts';
import type { PodOptions } from './kubernetes/pod-options.ts';
import { PodWatch } from './kubernetes/pod-watch.ts';
import { AgentDelivery } from './pods/agent-delivery.ts';
import { AgentPool } from './pods/agent-pool.ts';
import { connectByExec } from './pods/exec-agent.ts';
import { PodLauncher } from './pods/pod-launcher.ts';
import { PodLogs } from './pods/pod-logs.ts';
import { PodRemover } from './pods/pod-remover.ts';
import { PodSupervisor } from './pods/pod-supervisor.ts';
import type { Database } from './repository/postgres/database.ts';
import { openRepository } from './repository/postgres/open-repository.ts';
import type { Repository } from './repository/repository.ts';
import type { Architecture } from './runtime/container.ts';
import type { AbortOptions, Clock, Logger } from './runtime/options.ts';
import type { TransferOptions } from './runtime/transfer-options.ts';
import { PodStore } from './stores/pod-store.ts';
import { transferMetrics } from './telemetry/transfer-metrics.ts';
import { checkShape } from './validation/shape.ts';
import { workerOptions } from './validation/worker-shapes.ts';
import { PodWorker } from './worker/pod-worker.ts';

/**
 * Where a worker works and how. Times in milliseconds.
 *
 * @public
 */
export interface KubernetesWorkerOptions extends AbortOptions {
  /** The worker's name, unique in the database: 1 to 253 characters. */
  readonly name: string;
  /** A `KubeConfig` of client-node, or the path of a kubeconfig file. @defaultValue client-node's default rules: `KUBECONFIG`, `~/.kube/config`, the pod's service account */
  readonly kubeConfig?: KubeConfig | string | undefined;
  /** Where its pods are. @defaultValue the kubeconfig's */
  readonly namespace?: string | undefined;
  /** A PostgreSQL URL, a pool like `pg.Pool`, or a PGlite instance. Pools and instances stay the caller's. */
  readonly database: Database;
  /** Whether to bring the database's schema up to date. @defaultValue true */
  readonly migrate?: boolean | undefined;
  /** The image of pods that only hold a volume; nothing in it is run. @defaultValue `registry.k8s.io/pause:3.10` */
  readonly volumeImage?: string | undefined;
  /** @defaultValue the only one that the nodes have, else amd64 */
  readonly architecture?: Architecture | undefined;
  /** How the worker's pods differ from plain ones. */
  readonly pods?: PodOptions | undefined;
  /**
   * How long a pod that has a node may take until commands can run in it, and how long creating it is tried while the
   * API server cannot serve. @defaultValue 300,000
   */
  readonly startTimeoutMs?: number | undefined;
  /**
   * How long pulls of an image may fail for reasons that pass, like a registry that does not answer. A missing image or
   * a refused login ends it at the second failure. @defaultValue 120,000
   */
  readonly imagePullTimeoutMs?: number | undefined;
  /** How long a pod may wait for a node, or for room in a quota. @defaultValue 300,000 */
  readonly schedulingTimeoutMs?: number | undefined;
  /** How long the library goes on trying to reach a pod that is there; of a transfer, how long without a byte gained. @defaultValue 300,000 */
  readonly reconnectTimeoutMs?: number | undefined;
  /**
   * What connections to pods go over, the first that the cluster lets pass. Name WebSocket's alone where something on the way takes SPDY and breaks it later.
   *
   * @defaultValue all, in this order: SPDY, which costs the nodes least, then WebSocket
   */
  readonly execProtocols?: readonly ExecProtocol[] | undefined;
  /** How transfers are run, and how many at once. */
  readonly transfers?: TransferOptions | undefined;
  /** How many processes may be followed at once; the output of others waits in their pods, and they can be stopped meanwhile. @defaultValue 512 */
  readonly maxAttachments?: number | undefined;
  /** How long an artifact volume lives that nobody expires. @defaultValue 43,200,000: 12 hours */
  readonly artifactTimeToLiveMs?: number | undefined;
  /** After how long another host goes on with a container that one was making when it died. @defaultValue 60,000 */
  readonly leaseMs?: number | undefined;
  /** How long the reaper leaves a container alone in which somebody worked by hand through a host that died. @defaultValue 300,000 */
  readonly hijackGraceMs?: number | undefined;
  /** @defaultValue nothing is logged */
  readonly logger?: Logger | undefined;
  /** @defaultValue the system's */
  readonly clock?: Clock | undefined;
}

/** What the agent keeps of a download at most, to send it again. */
const maxWindowBytes = 16 * 1024 * 1024;

const defaults = {
  volumeImage: 'registry.k8s.io/pause:3.10',
  startTimeoutMs: 300_000,
  imagePullTimeoutMs: 120_000,
  schedulingTimeoutMs: 300_000,
  reconnectTimeoutMs: 300_000,
  artifactTimeToLiveMs: 12 * 60 * 60 * 1000,
  leaseMs: 60_000,
  hijackGraceMs: 300_000,
};

/**
 * A worker on a Kubernetes cluster and a PostgreSQL database.
 *
 * @public
 */
export class KubernetesWorker extends PodWorker {
  /**
   * Opens a worker: prepares the database, registers the name, and is ready. The cluster is first asked when something is wanted of it. The signal stops the opening.
   *
   * @throws InvalidSpecError - an option is wrong; it names the field
   * @throws RepositoryUnavailableError, SchemaTooNewError - the database
   */
  static async open(options: KubernetesWorkerOptions): Promise<KubernetesWorker> {
    checkShape('options', workerOptions, options);
    checkOptions(options);
    const { signal, logger = silentLogger, migrate } = options;
    const cluster = ClientNodeCluster.fromConfig({ kubeConfig: options.kubeConfig, namespace: options.namespace });
    const repository = await openRepository(options.database, { migrate, logger, signal });
    try {
      const { installationId } = await repository.workers.register(options.name, { signal });
      return compose(options, { cluster, repository, installationId });
    } catch (error) {
      await repository.close();
      throw error;
    }
  }
}

/** The parts that have to be there before the others can be made. */
interface Foundations {
  readonly cluster: ClientNodeCluster;
  readonly repository: Repository;
  readonly installationId: string;
}

function compose(
  options: KubernetesWorkerOptions,
  { cluster, repository, installationId }: Foundations,
): KubernetesWorker {
  const { name, logger = silentLogger, clock = systemClock() } = options;
  const {
    volumeImage,
    startTimeoutMs,
    imagePullTimeoutMs,
    schedulingTimeoutMs,
    reconnectTimeoutMs,
    artifactTimeToLiveMs,
    leaseMs,
    hijackGraceMs,
  } = {
    ...defaults,
    ...defined(options),
  };
  const delivery = new AgentDelivery(cluster, options.architecture);
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
    clock,
    logger,
    timeouts,
  });
  const buffers = new MessageBuffers(messageBufferBytes);
  const protocols = new ProtocolOrder(options.execProtocols ?? execProtocols);
  const agents = new AgentPool({
    connect: (pod, connecting) => connectByExec(cluster, pod, { ...connecting, buffers, protocols }),
    clock,
    logger,
    limits: new ConnectionLimits({
      maxTransfers: options.transfers?.maxConcurrent,
      maxAttachments: options.maxAttachments,
    }),
    transferEnded: transferMetrics(),
    options: agentOptions(options.transfers ?? {}, reconnectTimeoutMs),
  });
  const watch = new PodWatch({ cluster, labelSelector: workerSelector(installationId, name), clock, logger });
  const pods = new PodSupervisor({ cluster, watch, agents, delivery, clock, logger, timeouts });
  const remover = new PodRemover({ cluster, agents, clock });
  const podStore = new PodStore({ workerName: name, agents, launcher, pods, remover, podName, image: volumeImage });
  const stores = new Map([[podStore.name, podStore]]);
  const reaper = new Reaper({
    workerName: name,
    containers: repository.containers,
    volumes: repository.volumes,
    pods: remover,
    stores,
    logger,
    hijackGraceMs,
  });
  const close = async (): Promise<void> => {
    watch.close();
    agents.close();
    await repository.close();
  };
  return new KubernetesWorker({
    name,
    repository,
    agents,
    pods,
    logs: new PodLogs({ cluster, clock, logger }),
    launcher,
    stores,
    podStore,
    artifactStore: podStore,
    reaper,
    podName,
    newId: randomUUID,
    leaseMs,
    clock,
    logger,
    artifactTimeToLiveMs,
    hijackGraceMs,
    // Longer than a pod may take.
    artifactLeaseMs: schedulingTimeoutMs + startTimeoutMs + 60_000,
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

function checkOptions(options: KubernetesWorkerOptions): void {
  if (options.name.length < 1 || options.name.length > 253)
    throw new InvalidSpecError('name', `has ${options.name.length} characters, not 1 to 253`);
  for (const field of [
    'startTimeoutMs',
    'imagePullTimeoutMs',
    'schedulingTimeoutMs',
    'reconnectTimeoutMs',
    'artifactTimeToLiveMs',
    'leaseMs',
    'hijackGraceMs',
  ] as const) {
    const value = options[field];
    if (value !== undefined && !(Number.isSafeInteger(value) && value > 0))
      throw new InvalidSpecError(field, `${value} is not a positive number of milliseconds`);
  }
  const counts: Readonly<Record<string, number | undefined>> = { ...options.transfers };
  for (const [field, value] of [['maxAttachments', options.maxAttachments] as const, ...Object.entries(counts)]) {
    if (value !== undefined && !(Number.isSafeInteger(value) && value > 0))
      throw new InvalidSpecError(
        field === 'maxAttachments' ? field : `transfers.${field}`,
        `${value} is not a positive integer`,
      );
  }
  const { execProtocols: chosen = execProtocols } = options;
  if (chosen.length === 0) throw new InvalidSpecError('execProtocols', 'must name at least one');
  const unknown = chosen.find((name) => !execProtocols.includes(name));
  if (unknown !== undefined)
    throw new InvalidSpecError('execProtocols', `${unknown} is none of ${execProtocols.join(', ')}`);
  if ((options.transfers?.windowBytes ?? 0) > maxWindowBytes)
    throw new InvalidSpecError('transfers.windowBytes', `is more than ${maxWindowBytes}`);
}

/** Without the fields that are undefined, so that a default shows through. */
function defined(options: KubernetesWorkerOptions): Partial<typeof defaults> {
  const entries = Object.keys(defaults).map((key) => [key, options[key as keyof typeof defaults]] as const);
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
}
