import type { AbortOptions } from './options.ts';
import type { AttachOptions, Process, ProcessIO, ProcessSpec, Properties } from './process.ts';
import type { Artifact } from './volume.ts';

/**
 * What keeps a container alive: opaque words of the host, like `{ kind: 'build-step', key: '4711/plan/3' }`. When the host says that the owner
 * has finished, the container is reaped.
 *
 * @public
 */
export interface ContainerOwner {
  /** 1 to 63 characters. */
  readonly kind: string;
  /** 1 to 1,024 characters. */
  readonly key: string;
}

/**
 * What people want to see in a pod's name and labels. Everything is optional and cut and cleaned to what Kubernetes allows.
 *
 * @public
 */
export interface ContainerMetadata {
  /** `get`, `put`, `task`, `check`. @defaultValue `'task'` */
  readonly type?: string | undefined;
  readonly stepName?: string | undefined;
  readonly pipelineName?: string | undefined;
  readonly jobName?: string | undefined;
  readonly buildName?: string | undefined;
  readonly team?: string | undefined;
}

/**
 * What a container is made of.
 *
 * @public
 */
export interface ContainerSpec {
  /** An image reference; a prefix `docker://` or `docker:///` is taken off. */
  readonly image: string;
  /** Absolute. Its own volume, unless an input or an output is mounted there. */
  readonly dir?: string | undefined;
  /** `NAME=value`; the last of a name wins. */
  readonly env?: readonly string[] | undefined;
  /** The user that processes run as, as in `ProcessSpec.user`. @defaultValue the image's */
  readonly user?: string | undefined;
  readonly inputs?: readonly InputSpec[] | undefined;
  /** By name: the path at which the container writes it. Relative paths are below `dir`. An output at an input's path is the input's volume. */
  readonly outputs?: Readonly<Record<string, string>> | undefined;
  /** Paths of which the content may be kept for the next container. Relative paths are below `dir`. */
  readonly caches?: readonly string[] | undefined;
  readonly limits?: ContainerLimits | undefined;
  readonly sidecars?: readonly SidecarSpec[] | undefined;
  /** @defaultValue false */
  readonly privileged?: boolean | undefined;
  /** The node's architecture. @defaultValue the worker's */
  readonly platform?: Architecture | undefined;
}

/**
 * The architectures that the agent is built for, as Kubernetes names them.
 *
 * @public
 */
export type Architecture = 'amd64' | 'arm64';

/**
 * An input: an artifact's content in a volume of the container's own.
 *
 * @public
 */
export interface InputSpec {
  readonly artifact: Artifact;
  /** Absolute, or relative to `dir`. */
  readonly path: string;
}

/**
 * Limits of the container. Undefined is none.
 *
 * @public
 */
export interface ContainerLimits {
  /** Thousandths of a CPU. */
  readonly cpuMilli?: number | undefined;
  readonly memoryBytes?: number | undefined;
}

/**
 * A container of the user's beside the main one, with the same volumes and its own image and entrypoint.
 *
 * @public
 */
export interface SidecarSpec {
  /** A DNS label, not `main`. */
  readonly name: string;
  readonly image: string;
  readonly command?: readonly string[] | undefined;
  readonly args?: readonly string[] | undefined;
  readonly env?: readonly string[] | undefined;
  readonly dir?: string | undefined;
  readonly limits?: ContainerLimits | undefined;
}

/**
 * Where processes run: one pod.
 *
 * @public
 */
export interface Container {
  /** Unique and stable; `worker.lookupContainer` takes it. */
  readonly handle: string;
  /** The pod's name, for people and for `kubectl`. */
  readonly podName: string;
  /**
   * Starts a process and resolves when the command runs; it is attached to after that, where `maxAttachments` are taken in its turn, and `wait` rejects with what that
   * fails with. An id that was started already, by any host, is attached to instead and never started twice. The signal covers only this call's own work: once the
   * command runs, aborting it changes nothing.
   *
   * @throws ExecutableNotFoundError, ExecutableFormatError, UserNotFoundError, NotPermittedError, WorkingDirectoryError - the command was not started
   * @throws InvalidSpecError, ContainerDisappearedError
   */
  run(spec: ProcessSpec, io: ProcessIO, options?: AttachOptions): Promise<Process>;
  /**
   * Attaches to a process that was started, from whatever instance of the worker; to a finished one as well, whose output comes again while the pod
   * keeps it. Several may be attached at once. `stdin` goes on where the command's stdin is: the host's first byte is the next one. Trouble on the way is retried inside and never becomes "not found".
   *
   * @throws ProcessNotFoundError - no process of this id was ever started
   */
  attach(processId: string, io: ProcessIO, options?: AttachOptions): Promise<Process>;
  /** The host's own small facts, which live as long as the container's row. */
  properties(options?: AbortOptions): Promise<Properties>;
  /** Durable when it resolves. A name has 1 to 253 characters, a value at most 1 MiB. */
  setProperty(name: string, value: string, options?: AbortOptions): Promise<void>;
}
