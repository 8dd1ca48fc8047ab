import type { KubeConfig } from '@kubernetes/client-node';

import { InvalidSpecError } from './errors/caller.ts';
import { type ExecProtocol, execProtocols } from './exec/protocol-order.ts';
import { checkLabelPrefix, checkPodOptions } from './kubernetes/pod-spec/pod-option-check.ts';
import type { Database } from './repository/postgres/connection/database.ts';
import type { CacheOptions } from './runtime/caches.ts';
import type { Architecture } from './runtime/container.ts';
import type { ImageOptions } from './runtime/image.ts';
import type { AbortOptions, Clock, Logger } from './runtime/options.ts';
import type { PodOptions } from './runtime/pod-options.ts';
import type { RetentionOptions } from './runtime/retention.ts';
import type { TransferOptions } from './runtime/transfer-options.ts';
import { checkStores } from './stores/store-choice.ts';
import type { StoresOptions } from './stores/stores-options.ts';

/**
 * Options of `KubernetesWorker.open`. Times are in milliseconds.
 *
 * @public
 */
export interface KubernetesWorkerOptions extends AbortOptions {
  /** The name of the worker, unique in the database: 1 to 253 characters. */
  readonly name: string;
  /**
   * The cluster: a `KubeConfig` of `@kubernetes/client-node`, or the path of a kubeconfig file.
   *
   * @defaultValue the default rules of client-node: `KUBECONFIG`, `~/.kube/config`, the pod's
   * service account
   */
  readonly kubeConfig?: KubeConfig | string | undefined;
  /** The namespace of the worker's pods. @defaultValue the kubeconfig's namespace */
  readonly namespace?: string | undefined;
  /**
   * The database: a PostgreSQL URL, a function that returns one, a pool like `pg.Pool`, or a PGlite
   * instance. The worker closes the pool that it opens for a URL; a pool or an instance stays open.
   */
  readonly database: Database;
  /** Whether to migrate the database's schema to this version. @defaultValue true */
  readonly migrate?: boolean | undefined;
  /**
   * Whether to register the name if the database has no worker of it. `false` suits tools that only
   * look at a worker: a mistyped name rejects with `WorkerNotFoundError` and leaves no row.
   *
   * @defaultValue true
   */
  readonly register?: boolean | undefined;
  /**
   * The image of pods that only hold a volume or probe the network. No program of the image runs.
   *
   * @defaultValue `registry.k8s.io/pause:3.10`
   */
  readonly volumeImage?: string | undefined;
  /** The images of steps and sidecars. @defaultValue the defaults of `ImageOptions` */
  readonly images?: ImageOptions | undefined;
  /**
   * The architecture of the nodes for containers without `ContainerSpec.platform`.
   *
   * @defaultValue the architecture that all nodes share, otherwise `amd64`
   */
  readonly architecture?: Architecture | undefined;
  /**
   * The path of the agent's program, or a function that returns its path for an architecture. A host
   * sets it if a bundler has moved the library away from the package's folder `agent/bin`. The
   * program must be that of the same version of the package.
   *
   * @defaultValue the program in the package
   */
  readonly agentBinary?: string | ((architecture: Architecture) => string) | undefined;
  /**
   * Whether the worker creates the config map with the agent if it is missing. With `'existing'` it
   * never does, and needs no permission for it: an operator creates what the function
   * `agentConfigMap` returns, before each new version of the library runs. If the config map is
   * missing, the creation of a pod rejects with `AgentNotInstalledError`, which names it.
   *
   * @defaultValue `'create'`
   */
  readonly agentConfigMap?: 'create' | 'existing' | undefined;
  /**
   * How the worker follows its pods. `'watch'`: one list and one watch for all of them. `'poll'`: one
   * list a second for all of them, without the permission to watch. It lists only while a pod starts
   * or a command or a transfer is guarded. A state that lasts less than a second may be missed, but
   * never the last one.
   *
   * @defaultValue `'watch'`
   */
  readonly podObservation?: 'watch' | 'poll' | undefined;
  /** Settings of every pod of the worker. @defaultValue the defaults of `PodOptions` */
  readonly pods?: PodOptions | undefined;
  /**
   * The prefix of the labels and annotations that describe a container: its type, pipeline, job,
   * build, step and team, such as `ci.example/team`. It may change while pods exist. The labels by
   * which the library finds its pods always have the prefix `kubernetes-worker`.
   *
   * @defaultValue `'kubernetes-worker'`
   */
  readonly labelPrefix?: string | undefined;
  /**
   * The stores in which content outlives its pod, and what is saved there. A worker that opens a
   * volume whose archive is in another store rejects reads with `StoreNotConfiguredError`, so all
   * hosts of a worker have the same stores.
   *
   * @defaultValue none: the content of each volume is in its pod only
   */
  readonly stores?: StoresOptions | undefined;
  /**
   * The teams, by `ContainerMetadata.team`, whose containers may be privileged. A privileged
   * container has all permissions of its node.
   *
   * @defaultValue none: `ContainerSpec.privileged` is refused
   */
  readonly privilegedTeams?: 'all' | readonly string[] | undefined;
  /**
   * The maximum time from the assignment of a pod to a node until commands can run in it, and the
   * maximum time of retries to create the pod while the API server is unavailable.
   *
   * @defaultValue 300,000
   */
  readonly startTimeoutMs?: number | undefined;
  /**
   * The maximum time of image pulls that fail for temporary reasons, such as an unreachable
   * registry. A missing image or a refused login is final at the second failure.
   *
   * @defaultValue 120,000
   */
  readonly imagePullTimeoutMs?: number | undefined;
  /** The maximum time that a pod waits for a node, or for room in a quota. @defaultValue 300,000 */
  readonly schedulingTimeoutMs?: number | undefined;
  /**
   * The maximum number of pods that wait for room in a quota. The creation of a further one rejects
   * with `QuotaExceededError` at once.
   *
   * @defaultValue 1,000
   */
  readonly maxWaitingForQuota?: number | undefined;
  /**
   * The maximum time of retries to reach a pod that exists. For a transfer, the maximum time
   * without a transferred byte.
   *
   * @defaultValue 300,000
   */
  readonly reconnectTimeoutMs?: number | undefined;
  /**
   * The protocols for connections to pods, in order of preference. The worker uses the first one
   * that the cluster accepts. List the WebSocket protocols alone if a proxy accepts SPDY and breaks
   * it later.
   *
   * @defaultValue all protocols: SPDY, which costs the nodes least, then WebSocket
   */
  readonly execProtocols?: readonly ExecProtocol[] | undefined;
  /** Limits and retries of transfers. @defaultValue the defaults of `TransferOptions` */
  readonly transfers?: TransferOptions | undefined;
  /**
   * The maximum number of processes that the worker follows at once. The output of further
   * processes waits in their pods; they can still be stopped.
   *
   * @defaultValue 512
   */
  readonly maxAttachments?: number | undefined;
  /**
   * The lifetime of an artifact volume without `Worker.expireArtifact`, from its last use on: a
   * transfer from or into it, also as an input of a container.
   *
   * @defaultValue 43,200,000 (12 hours)
   */
  readonly artifactTimeToLiveMs?: number | undefined;
  /**
   * How long a task cache or a resource cache stays after its last use, unless the call that makes
   * it has another time.
   *
   * @defaultValue 604,800,000 (7 days)
   */
  readonly cacheTimeToLiveMs?: number | undefined;
  /** The limits of task caches and resource caches. @defaultValue none */
  readonly caches?: CacheOptions | undefined;
  /**
   * The duration of the lease on a container that is being created. If the host dies, another host
   * continues after this time. The reaper deletes what no host has continued after as much time
   * again.
   *
   * @defaultValue 60,000
   */
  readonly leaseMs?: number | undefined;
  /**
   * How long the reaper leaves a container alone after the host of a hijack in it has died.
   *
   * @defaultValue 300,000
   */
  readonly hijackGraceMs?: number | undefined;
  /**
   * How long `Worker.ownerFinished` with `final` keeps the owner from being used again. Longer than
   * a host may be late. The reaper then deletes the record.
   *
   * @defaultValue 86,400,000 (24 hours)
   */
  readonly finishedOwnerTtlMs?: number | undefined;
  /**
   * How many finished containers the worker keeps for inspection (`OwnerFinishedOptions.keepForMs`),
   * and for how long. The same for all hosts of the worker: the reaper of each applies its own.
   *
   * @defaultValue the defaults of `RetentionOptions`
   */
  readonly retention?: RetentionOptions | undefined;
  /**
   * How often the worker runs a pass of the reaper in the background, in milliseconds, as
   * `Worker.reap` does. A further pass follows soon after `ownerFinished` and `expireArtifact`. If
   * several hosts open the worker with this option, one pass runs in each period. Failures are
   * logged, and the next pass continues. `close()` ends the passes.
   *
   * @defaultValue none: the host calls `Worker.reap`
   */
  readonly reapEveryMs?: number | undefined;
  /**
   * How often the worker sends a heartbeat in the background, in milliseconds, as
   * `Worker.heartbeat` does. The first one is sent at once, and after a failure the next one
   * follows sooner. A heartbeat expires after two periods and 15 seconds; then the worker is
   * `stalled` until the next one. Any number of hosts may send them. `close()` ends them, and so
   * does the end of the worker's row.
   *
   * @defaultValue none: the host calls `Worker.heartbeat`, or the worker never stalls
   */
  readonly heartbeatEveryMs?: number | undefined;
  /**
   * Whether one of the objects with this option runs the passes, heartbeats and sweeps of all of
   * them, with its own `reapEveryMs` and `heartbeatEveryMs`. A lease in the database names it. When
   * it dies, another one leads within 15 seconds; when it closes, within about a second. Objects of
   * a worker without this option run their own, beside the leader, and do no harm. An object with
   * neither period relies on those that have one.
   *
   * @defaultValue false: every object runs its own
   */
  readonly leaderElection?: boolean | undefined;
  /**
   * Returns a text without its secrets. The library applies it to what comes from the cluster and
   * may quote the output of a command: `PodError.detail`, `PodError.diagnostics`, the messages of
   * `StepProgress` and of `Container.describe`, and what it writes to `stderr` about pods. It receives
   * whole texts before they are shortened. If it throws, the text is left out, and the library logs a
   * warning; a message that is not optional is then empty.
   *
   * @defaultValue nothing is masked
   */
  readonly mask?: ((text: string) => string) | undefined;
  /**
   * Whether each command of `Container.run` receives the trace context of its span, in the form of
   * W3C, as the variable `TRACEPARENT`, and `TRACESTATE` if there is one. Programs that support it
   * continue the trace. A variable of these names in a specification takes precedence. The trace
   * context is no part of what identifies a command: `run` again with the same ID attaches. Without an
   * active trace no variable is set.
   *
   * @defaultValue false
   */
  readonly traceEnvironment?: boolean | undefined;
  /** Receives log messages. @defaultValue nothing is logged */
  readonly logger?: Logger | undefined;
  /** Measures time. @defaultValue the system's clock */
  readonly clock?: Clock | undefined;
}

/** The image of pods without a program of their own. */
export const defaultVolumeImage = 'registry.k8s.io/pause:3.10';

/** The maximum that the agent keeps of a download to send it again. */
const maxWindowBytes = 16 * 1024 * 1024;

/** The durations and counts that have a default. */
type Defaults = Readonly<
  Record<
    | 'startTimeoutMs'
    | 'imagePullTimeoutMs'
    | 'schedulingTimeoutMs'
    | 'maxWaitingForQuota'
    | 'reconnectTimeoutMs'
    | 'artifactTimeToLiveMs'
    | 'cacheTimeToLiveMs'
    | 'leaseMs'
    | 'hijackGraceMs'
    | 'finishedOwnerTtlMs',
    number
  >
>;

const defaults: Defaults = {
  startTimeoutMs: 300_000,
  imagePullTimeoutMs: 120_000,
  schedulingTimeoutMs: 300_000,
  maxWaitingForQuota: 1_000,
  reconnectTimeoutMs: 300_000,
  artifactTimeToLiveMs: 12 * 60 * 60 * 1000,
  cacheTimeToLiveMs: 7 * 24 * 60 * 60 * 1000,
  leaseMs: 60_000,
  hijackGraceMs: 300_000,
  finishedOwnerTtlMs: 24 * 60 * 60 * 1000,
};

/** @throws InvalidSpecError if an option has an invalid value; the error names the field */
export function checkOptions(options: KubernetesWorkerOptions): void {
  if (options.name.length < 1 || options.name.length > 253)
    throw new InvalidSpecError('name', `has ${options.name.length} characters, not 1 to 253`);
  for (const field of [
    'startTimeoutMs',
    'imagePullTimeoutMs',
    'schedulingTimeoutMs',
    'reconnectTimeoutMs',
    'artifactTimeToLiveMs',
    'cacheTimeToLiveMs',
    'leaseMs',
    'hijackGraceMs',
    'finishedOwnerTtlMs',
    'reapEveryMs',
    'heartbeatEveryMs',
  ] as const) {
    const value = options[field];
    if (value !== undefined && !(Number.isSafeInteger(value) && value > 0))
      throw new InvalidSpecError(field, `${value} is not a positive number of milliseconds`);
  }
  const { maxAttachments, maxWaitingForQuota, transfers = {} } = options;
  const counts: Readonly<Record<string, number | undefined>> = {
    maxAttachments,
    maxWaitingForQuota,
    ...Object.fromEntries(Object.entries(transfers).map(([field, value]) => [`transfers.${field}`, value])),
  };
  for (const [field, value] of Object.entries(counts)) {
    if (value !== undefined && !(Number.isSafeInteger(value) && value > 0))
      throw new InvalidSpecError(field, `${value} is not a positive integer`);
  }
  checkRetention(options.retention);
  checkCaches(options.caches);
  checkStores(options.stores ?? {});
  checkPodOptions('pods', options.pods);
  checkLabelPrefix('labelPrefix', options.labelPrefix);
  const { execProtocols: chosen = execProtocols } = options;
  if (chosen.length === 0)
    throw new InvalidSpecError('execProtocols', `is empty: list at least one of ${execProtocols.join(', ')}`);
  const unknown = chosen.find((name) => !execProtocols.includes(name));
  if (unknown !== undefined)
    throw new InvalidSpecError('execProtocols', `${unknown} is not one of ${execProtocols.join(', ')}`);
  if ((options.transfers?.windowBytes ?? 0) > maxWindowBytes)
    throw new InvalidSpecError('transfers.windowBytes', `is larger than the maximum of ${maxWindowBytes} bytes`);
}

/** @throws InvalidSpecError */
function checkCaches(limits: CacheOptions = {}): void {
  for (const field of ['maxBytes', 'maxKeyBytes', 'maxCount'] as const) {
    const value = limits[field];
    if (value !== undefined && !(Number.isSafeInteger(value) && value > 0))
      throw new InvalidSpecError(`caches.${field}`, `${value} is not a positive integer`);
  }
}

function checkRetention({ maxContainers = 0, maxAgeMs = 1 }: RetentionOptions = {}): void {
  if (!(Number.isSafeInteger(maxContainers) && maxContainers >= 0))
    throw new InvalidSpecError('retention.maxContainers', `${maxContainers} is not a whole number, zero or more`);
  if (!(Number.isSafeInteger(maxAgeMs) && maxAgeMs > 0))
    throw new InvalidSpecError('retention.maxAgeMs', `${maxAgeMs} is not a positive number of milliseconds`);
}

/** Returns how many containers the worker keeps at most, and for how long. */
export function keepingOf({ retention = {} }: KubernetesWorkerOptions): {
  readonly maxKept: number;
  readonly maxKeptMs: number;
} {
  const { maxContainers: maxKept = 50, maxAgeMs: maxKeptMs = 5 * 24 * 60 * 60 * 1000 } = retention;
  return { maxKept, maxKeptMs };
}

/** Returns the durations and counts, with the defaults of those that are undefined. */
export function withDefaults(options: KubernetesWorkerOptions): Defaults {
  const entries = Object.keys(defaults).map((key) => [key, options[key as keyof typeof defaults]] as const);
  return { ...defaults, ...Object.fromEntries(entries.filter(([, value]) => value !== undefined)) };
}
