import type { Readable, Writable } from 'node:stream';

import type { AbortOptions } from './options.ts';

/**
 * What to run in a container.
 *
 * @public
 */
export interface ProcessSpec {
  /**
   * The process's id in its container: 1 to 100 characters of `[A-Za-z0-9._-]`, not starting with a dot. Running an id that was started already
   * attaches to it instead.
   *
   * @defaultValue a random UUID
   */
  readonly id?: string | undefined;
  /** The program; looked up in the command's `PATH` where it has no slash. There is no shell. */
  readonly path: string;
  readonly args?: readonly string[] | undefined;
  /** `NAME=value`, added to the container's environment and overriding it. */
  readonly env?: readonly string[] | undefined;
  /**
   * The working directory; made, with its parents, if it is missing. Relative paths are below the container's `dir`.
   *
   * @defaultValue the container's `dir`
   */
  readonly dir?: string | undefined;
  /**
   * `name`, `uid`, `name:group` or `uid:gid`.
   *
   * @defaultValue the container's `user`
   */
  readonly user?: string | undefined;
  /** Gives the command a terminal. Everything that it prints is then on stdout. */
  readonly tty?: TtySpec | undefined;
  /**
   * Whether somebody works in the container by hand through this process, as with `fly intercept`: the reaper leaves the container alone until it has ended or, where
   * the host dies, for the worker's `hijackGraceMs`.
   *
   * @defaultValue true for a terminal with `stdin` in a container that was looked up
   */
  readonly hijack?: boolean | undefined;
}

/**
 * A terminal.
 *
 * @public
 */
export interface TtySpec {
  /** @defaultValue 500 columns, 500 rows, so that no program wraps a build's output. */
  readonly windowSize?: WindowSize | undefined;
}

/**
 * The size of a terminal in characters, each 1 to 65,535.
 *
 * @public
 */
export interface WindowSize {
  readonly columns: number;
  readonly rows: number;
}

/**
 * Where a process's input comes from and its output goes to. The library never ends or destroys the host's writables. `wait` settles after they
 * have taken everything. A writable that fails is detached and reported by `wait`'s result; the command goes on.
 *
 * @public
 */
export interface ProcessIO {
  /**
   * Its end is the end of the command's stdin. Without it, stdin is `/dev/null`. A stream that has ended, that decodes its bytes (`setEncoding`) or, for `run` without a
   * terminal, that was read from before is refused with `InvalidSpecError`. The host that came last feeds stdin; when it is gone, the one before continues.
   */
  readonly stdin?: Readable | undefined;
  readonly stdout?: Writable | undefined;
  readonly stderr?: Writable | undefined;
  /**
   * By the name of a sidecar: takes its log, a line a chunk, while the process is followed. From the first line that the node still has or, with `from: 'now'`, from
   * now on. One that is slow or fails never delays the process's output or its result.
   */
  readonly sidecars?: Readonly<Record<string, Writable>> | undefined;
}

/**
 * Which part of the output an attachment delivers: all that is still kept, only what comes from now on, or from an offset of each stream.
 *
 * @public
 */
export type OutputPosition = 'start' | 'now' | ProcessPosition;

/**
 * Offsets in a process's output.
 *
 * @public
 */
export interface ProcessPosition {
  readonly stdoutBytes: number;
  readonly stderrBytes: number;
}

/**
 * Options of `run` and `attach`.
 *
 * @public
 */
export interface AttachOptions extends AbortOptions {
  /** @defaultValue `'start'` */
  readonly from?: OutputPosition | undefined;
  /**
   * Properties of the container that belong to the result: asked for once the command has ended and its output was delivered, and stored in the same step as the
   * result, so that nobody ever finds the one without the other. What it fails with `wait` rejects with, and nothing is stored.
   */
  readonly resultProperties?: ((result: ProcessResult) => Properties | Promise<Properties>) | undefined;
}

/**
 * Facts of the host's about a container, by name. A name has 1 to 253 characters, a value at most 1 MiB.
 *
 * @public
 */
export type Properties = Readonly<Record<string, string>>;

/**
 * How a process ended. A non-zero status is a result, not an error.
 *
 * @public
 */
export interface ProcessResult {
  /** 0 to 255; `128 + n` where signal n ended it. */
  readonly exitStatus: number;
  /** The number of the signal that ended it. */
  readonly signal?: number | undefined;
  /**
   * The output that did not reach the host's writables, and why: one of them failed, or the output is not kept any more. Absent where all was delivered. A result that
   * comes from the database, because the pod is gone, has an `OutputFreedError` for each stream of which bytes are missing.
   */
  readonly undelivered?: readonly UndeliveredOutput[] | undefined;
  /** How many processes of the container the kernel killed for memory while this one ran. Absent where none was, or it cannot be told. */
  readonly oomKills?: number | undefined;
  /** The sidecars that ended while the process was followed, and were started again. Absent where none did. */
  readonly sidecarEnds?: readonly SidecarEnd[] | undefined;
}

/**
 * How a sidecar ended, the last time of several.
 *
 * @public
 */
export interface SidecarEnd {
  readonly name: string;
  /** How often it was seen to end. */
  readonly times: number;
  readonly exitCode: number;
  /** Kubernetes' word, like `Error` or `Completed`. */
  readonly reason: string | undefined;
}

/**
 * Output that did not reach a writable of the host.
 *
 * @public
 */
export interface UndeliveredOutput {
  readonly stream: 'stdout' | 'stderr' | 'sidecar';
  /** The sidecar's name. */
  readonly sidecar?: string | undefined;
  readonly cause: unknown;
}

/**
 * A command that was started in a container; it lives on whatever becomes of this object, its connection or the host.
 *
 * @public
 */
export interface Process extends AsyncDisposable {
  readonly id: string;
  /**
   * Resolves when the command has ended, its output was delivered and its result is stored.
   *
   * Its signal stops the *process*: TERM to its group, output still delivered, KILL after 10 s; then `wait` rejects with the signal's reason.
   * A lost connection is taken up again from the offsets reached. The end of a pod ends its commands: a result that comes of that is no result, and is never stored; what
   * became of the pod is the answer, when the command has ended or, where that cannot be seen, with `mayStillRun`.
   *
   * @throws OutOfMemoryError - the kernel killed the command, a process whose end it answered with 137, or a sidecar; a command that runs on is not stopped by that
   * @throws PodDeletedError, PodEvictedError, PodFailedError - what became of the pod
   * @throws OutcomeUnknownError - it cannot be told how the command ended
   * @throws DiskFullError - output or result had no room for a minute; the command was stopped
   * @throws InvalidSpecError - `stdin` ends before the byte up to which the command was given it by an earlier `run`
   */
  wait(options?: AbortOptions): Promise<ProcessResult>;
  /** Sends a signal, by number, to the process's group. Of a process that has ended: nothing. */
  signal(signal: number, options?: AbortOptions): Promise<void>;
  /** Changes the size of the terminal; without one: nothing. */
  resize(windowSize: WindowSize, options?: AbortOptions): Promise<void>;
  /** Up to where output was delivered to the host's writables, to attach from later. */
  position(): ProcessPosition;
  /** Detaches: stops delivering; the command goes on. */
  [Symbol.asyncDispose](): Promise<void>;
}
