import type { TaskCacheStep } from './caches.ts';
import type { ContainerDescription } from './container-description.ts';
import type { AbortOptions } from './options.ts';
import type { PodOptions } from './pod-options.ts';
import type { AttachOptions, Process, ProcessIO, ProcessSpec, Properties, RunOptions } from './process.ts';
import type { ProcessInfo, ProcessOutcome } from './process-info.ts';
import type { ContainerLimits, ContainerRequests } from './resources.ts';
import type { SecretKey, SecretMount } from './secrets.ts';
import type { SidecarSpec } from './sidecar.ts';
import type { Artifact, VolumeMount } from './volume.ts';

/**
 * Identifies what keeps a container alive, in the host's own terms: for example
 * `{ kind: 'build-step', key: '4711/plan/3' }`. The library compares both strings and never
 * interprets them. After `Worker.ownerFinished` the reaper deletes the owner's container.
 *
 * @public
 */
export interface ContainerOwner {
  /** The kind of owner: 1 to 63 characters. */
  readonly kind: string;
  /** Identifies the owner among those of its kind: 1 to 1,024 characters. */
  readonly key: string;
}

/**
 * Describes a container for operators. The values appear in the pod's name and labels, shortened
 * and sanitized to what Kubernetes allows. They never identify a container.
 *
 * @public
 */
export interface ContainerMetadata {
  /** The type of step: `get`, `put`, `task` or `check`. @defaultValue `'task'` */
  readonly type?: string | undefined;
  /** The name of the step. @defaultValue omitted */
  readonly stepName?: string | undefined;
  /** The name of the pipeline. @defaultValue omitted */
  readonly pipelineName?: string | undefined;
  /** The name of the job. @defaultValue omitted */
  readonly jobName?: string | undefined;
  /** The name or number of the build. @defaultValue omitted */
  readonly buildName?: string | undefined;
  /** The team that owns the build. @defaultValue omitted */
  readonly team?: string | undefined;
}

/**
 * Defines how to create a container.
 *
 * @public
 */
export interface ContainerSpec {
  /**
   * The image reference. One prefix `docker://`, `docker:///` or `raw:///` is removed.
   *
   * @defaultValue the image that `ImageOptions.policy` of the worker has for the step; an error if it
   * has none
   */
  readonly image?: string | undefined;
  /**
   * The type of the step's resource, for which `ImagePolicy.resourceTypes` may have an image.
   *
   * @defaultValue none
   */
  readonly resourceType?: string | undefined;
  /**
   * The working directory of processes: an absolute path. It gets a volume of its own, unless an
   * input or an output is mounted there.
   *
   * @defaultValue the image's working directory
   */
  readonly dir?: string | undefined;
  /**
   * Environment variables of processes, each as `NAME=value`. They override the image's. Of several
   * entries with one name, the last one applies. An entry has at most 131,071 bytes.
   *
   * @defaultValue the image's environment alone
   */
  readonly env?: readonly string[] | undefined;
  /**
   * Environment variables of processes whose values are in secrets, by the name of the variable.
   * The pod refers to the secret: the value is in no Pod object, no row, no error and no log of the
   * library. The variable replaces the image's. A name must not be in `env` as well, and an entry
   * of `ProcessSpec.env` replaces it for its process.
   *
   * @defaultValue none
   */
  readonly secretEnv?: Readonly<Record<string, SecretKey>> | undefined;
  /** Secrets as read-only folders of the main Kubernetes container. @defaultValue none */
  readonly secretMounts?: readonly SecretMount[] | undefined;
  /**
   * The user that processes run as, in the forms that `ProcessSpec.user` accepts.
   *
   * @defaultValue the image's user
   */
  readonly user?: string | undefined;
  /** The artifacts to copy into the container before commands may run. @defaultValue none */
  readonly inputs?: readonly InputSpec[] | undefined;
  /**
   * The paths at which the container writes its outputs, by the name of the output. A relative path
   * is relative to `dir`. An output at the path of an input shares the input's volume.
   *
   * @defaultValue none
   */
  readonly outputs?: Readonly<Record<string, string>> | undefined;
  /**
   * Paths whose content may be kept for a later container, by `VolumeCaches.initializeTaskCache`. A
   * relative path is relative to `dir`.
   *
   * @defaultValue none
   */
  readonly caches?: readonly string[] | undefined;
  /**
   * The step whose task caches fill the folders of `caches` before commands may run. A path without
   * a cache is an empty folder, as is one whose cache is lost or damaged, which `CacheLost` reports.
   *
   * @defaultValue the folders of `caches` are empty
   */
  readonly taskCache?: TaskCacheStep | undefined;
  /** Resource limits of the container. @defaultValue no limits */
  readonly limits?: ContainerLimits | undefined;
  /** Resources that the node reserves for the container. @defaultValue the limits */
  readonly requests?: ContainerRequests | undefined;
  /**
   * The maximum size in bytes of the container's volumes together, including the output of
   * processes that the agent keeps. The node evicts a pod that exceeds it, within about a minute.
   *
   * @defaultValue no limit
   */
  readonly volumesLimitBytes?: number | undefined;
  /** Kubernetes containers that run beside the main one. @defaultValue none */
  readonly sidecars?: readonly SidecarSpec[] | undefined;
  /**
   * Whether the main Kubernetes container is privileged. Only for the teams of
   * `KubernetesWorkerOptions.privilegedTeams`, and not together with `hermetic`.
   *
   * @defaultValue false
   */
  readonly privileged?: boolean | undefined;
  /**
   * Whether the container, with its sidecars, must not send to the network: neither to addresses
   * nor to DNS. A `NetworkPolicy` denies it. Before inputs arrive and commands run, a probe in the
   * pod shows that the cluster enforces the policy; otherwise `findOrCreateContainer` rejects with
   * `HermeticNotEnforcedError`. The pod has no token of a service account, and the capabilities of
   * the agent only. Not together with `privileged`.
   *
   * @defaultValue false
   */
  readonly hermetic?: boolean | undefined;
  /** The architecture of the node. @defaultValue the worker's architecture */
  readonly platform?: Architecture | undefined;
  /**
   * The exact name of the pod: a DNS label, which has at most 63 characters of `a-z`, `0-9` and `-`.
   * The name must be free in the namespace. If another pod has it, `findOrCreateContainer` rejects
   * with `ConflictError`, which names it, and that pod is left alone. A later container may have the
   * name when the earlier pod no longer exists.
   *
   * @defaultValue a name that is unique, and readable where the metadata allows
   */
  readonly podName?: string | undefined;
  /**
   * Options of this container's pod. `PodOptions` describes how they are merged with the worker's.
   *
   * @defaultValue `KubernetesWorkerOptions.pods`
   */
  readonly pod?: PodOptions | undefined;
}

/**
 * An architecture that the agent is built for, by its Kubernetes name.
 *
 * @public
 */
export type Architecture = 'amd64' | 'arm64';

/**
 * An artifact to copy into a volume of the container. Changes in the container do not change the
 * artifact.
 *
 * @public
 */
export interface InputSpec {
  /** The artifact, usually a volume: an upload, or an output of an earlier step. */
  readonly artifact: Artifact;
  /** Where the volume is mounted: an absolute path, or one relative to `ContainerSpec.dir`. */
  readonly path: string;
}

/**
 * Runs processes. A container is one pod, whose main Kubernetes container has the user's image.
 *
 * @public
 */
export interface Container {
  /** The unique and stable ID of the container. `Worker.lookupContainer` accepts it. */
  readonly handle: string;
  /** The name of the pod, for operators and for `kubectl`. */
  readonly podName: string;
  /**
   * Starts a command and attaches to it. Resolves when the command runs; the attachment follows. If
   * `maxAttachments` is reached, the attachment waits for a slot. If the attachment fails,
   * `Process.wait` rejects with its error.
   *
   * A command is started at most once per ID, even if the host, the connection or the agent is
   * killed at any moment. If any host has started `id` before, `run` attaches to that process
   * instead, or returns its stored result. If it was started with another command,
   * `RunOptions.onSpecChange` decides.
   *
   * The signal stops this call's own work. Once the command runs, aborting the signal has no
   * effect.
   *
   * @example
   * ```ts
   * const task = await container.run(
   *   { id: 'task', path: 'sh', args: ['-c', 'make test'], dir: 'source' },
   *   { stdout: process.stdout, stderr: process.stderr },
   * );
   * const { exitStatus } = await task.wait();
   * ```
   *
   * @throws ProcessSpecChangedError if `id` was started with another command, unless `onSpecChange`
   * is `'keep'`; nothing was started or changed
   * @throws ExecutableNotFoundError if the container has no such program
   * @throws ExecutableFormatError if the kernel cannot execute the program
   * @throws UserNotFoundError if the container has no such user or group
   * @throws NotPermittedError if the kernel refuses to start the program or to change the user
   * @throws DiskFullError if the disk of the pod's node has no room to record the process
   * @throws WorkingDirectoryError if the working directory cannot be created or entered
   * @throws InvalidSpecError if a field of `spec`, `io` or `options` is invalid
   * @throws ContainerDisappearedError if the pod no longer exists and no result of `id` is stored
   */
  run(spec: ProcessSpec, io: ProcessIO, options?: RunOptions): Promise<Process>;
  /**
   * Attaches to a process that any instance of the worker has started. Several hosts may be
   * attached at once. A process that has ended delivers the output that the pod still keeps, then
   * its result.
   *
   * `stdin` continues where the command's stdin is: the first byte of `io.stdin` is the next byte
   * that the command reads. Connection failures are retried and never reported as "not found".
   *
   * The signal stops this call's own work, never the command.
   *
   * @example
   * ```ts
   * // Continues in another host, from the offsets that the first one has stored.
   * const task = await container.attach(
   *   'task',
   *   { stdout: process.stdout, stderr: process.stderr },
   *   { from: { stdoutBytes: 52_311, stderrBytes: 0 } },
   * );
   * const { exitStatus } = await task.wait();
   * ```
   *
   * @throws ProcessNotFoundError if no process of this id was ever started
   * @throws InvalidSpecError if an argument is invalid
   * @throws ContainerDisappearedError if the pod no longer exists and no result of the process is
   * stored
   */
  attach(processId: string, io: ProcessIO, options?: AttachOptions): Promise<Process>;
  /**
   * Returns the processes of the container in the order of their IDs, including those that other
   * hosts have started: what the pod's agent reports, and the stored results. A stored result is
   * final. If the pod no longer exists, only processes with a stored result are returned.
   *
   * @example
   * ```ts
   * // After a restart: continues what runs.
   * for (const { id, state } of await container.listProcesses())
   *   if (state === 'running') await container.attach(id, { stdout: process.stdout });
   * ```
   *
   * @throws ContainerDisappearedError if the container's row no longer exists
   * @throws PodDeletedError or PodEvictedError if the pod is ending and cannot be reached, and
   * commands may still run in it
   */
  listProcesses(options?: AbortOptions): Promise<readonly ProcessInfo[]>;
  /**
   * Returns one process of the container, as `listProcesses` does. Returns `undefined` if no
   * process of this ID was started, or if the pod ended before a result was stored. A process with
   * a stored result is returned without a connection to the pod.
   *
   * @example
   * ```ts
   * const task = await container.findProcess('task');
   * if (task?.result !== undefined) console.log(`ended with ${task.result.exitStatus}`);
   * ```
   *
   * @throws InvalidSpecError if the ID is invalid
   * @throws PodDeletedError or PodEvictedError if the pod is ending and cannot be reached, and
   * commands may still run in it
   */
  findProcess(processId: string, options?: AbortOptions): Promise<ProcessInfo | undefined>;
  /**
   * Sends a signal, by number, to the process group of a command, without an attachment. Does
   * nothing if the process has ended.
   *
   * @example
   * ```ts
   * await container.signalProcess('task', 2); // SIGINT
   * ```
   *
   * @throws ProcessNotFoundError if no process of this ID was ever started
   * @throws OutcomeUnknownError if the process is lost
   * @throws InvalidSpecError if an argument is invalid
   * @throws ContainerDisappearedError if the pod no longer exists and no result of the process is
   * stored
   */
  signalProcess(processId: string, signal: number, options?: AbortOptions): Promise<void>;
  /**
   * Stops a command without an attachment: its process group receives TERM, and KILL after 10 s.
   * Resolves with the result when the command has ended and its result is stored. If the command
   * had already ended, resolves with its stored result. Attached hosts receive the output and the
   * same result.
   *
   * The result is stored without properties. A host that is attached with `resultProperties` adds
   * them when it receives the result.
   *
   * The signal stops the wait. Once the pod has received the stop, the stop continues.
   *
   * @example
   * ```ts
   * const { exitStatus, signal } = await container.stopProcess('task');
   * ```
   *
   * @throws ProcessNotFoundError if no process of this ID was ever started
   * @throws OutOfMemoryError if the kernel killed the command for lack of memory
   * @throws OutcomeUnknownError if how the command ended cannot be determined
   * @throws InvalidSpecError if an argument is invalid
   * @throws ContainerDisappearedError, PodEvictedError or PodFailedError if the pod ended and no
   * result of the process is stored
   */
  stopProcess(processId: string, options?: AbortOptions): Promise<ProcessOutcome>;
  /**
   * Returns the pod of the container as Kubernetes reports it now, with its recent events, for
   * people who look for the cause of a failure or of a delay.
   *
   * @example
   * ```ts
   * const { nodeName, containers, events = [] } = await container.describe();
   * console.log(nodeName, containers.map(({ name, state }) => `${name}: ${state.kind}`));
   * for (const { lastAt, reason, message } of events) console.log(lastAt, reason, message);
   * ```
   *
   * @throws ContainerDisappearedError if the pod no longer exists
   * @throws ForbiddenError, ApiUnavailableError or another `ClusterError` if the API server refuses
   * the call or does not answer
   */
  describe(options?: AbortOptions): Promise<ContainerDescription>;
  /**
   * Returns the volumes of the container and where they are mounted, as `findOrCreateContainer`
   * does, for a container that was looked up as well. Reads the database only.
   *
   * @example
   * ```ts
   * for (const { mountPath, volume } of await container.mounts())
   *   console.log(mountPath, (await volume.status()).sizeBytes);
   * ```
   *
   * @throws ContainerDisappearedError if the container's row no longer exists
   * @throws RepositoryUnavailableError if the database does not answer
   */
  mounts(options?: AbortOptions): Promise<readonly VolumeMount[]>;
  /**
   * Returns the properties that the host has stored with the container. They are deleted together
   * with the container's row.
   *
   * @example
   * ```ts
   * const { version } = await container.properties();
   * ```
   *
   * @throws ContainerDisappearedError if the container's row no longer exists
   * @throws RepositoryUnavailableError if the database does not answer
   */
  properties(options?: AbortOptions): Promise<Properties>;
  /**
   * Stores one property. The value is durable when the call resolves, and replaces an earlier one.
   * A name has 1 to 253 characters, a value at most 1 MiB.
   *
   * @example
   * ```ts
   * await container.setProperty('version', '{"ref":"4711"}');
   * ```
   *
   * @throws InvalidSpecError if the name or the value is too long
   * @throws ContainerDisappearedError if the container's row no longer exists
   * @throws RepositoryUnavailableError if the database does not answer
   */
  setProperty(name: string, value: string, options?: AbortOptions): Promise<void>;
}
