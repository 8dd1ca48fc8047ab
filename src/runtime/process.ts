import type { Readable, Writable } from 'node:stream';

import type { AbortOptions } from './options.ts';
import type { ProcessOutcome } from './process-info.ts';

/**
 * Defines a command to run in a container.
 *
 * @public
 */
export interface ProcessSpec {
  /**
   * The ID of the process in its container: 1 to 100 characters of `[A-Za-z0-9._-]`, the first one
   * not a dot. If a process of this ID was started before, `Container.run` attaches to it instead
   * of starting the command. `RunOptions.onSpecChange` decides about a process with another
   * command.
   *
   * @defaultValue a random UUID
   */
  readonly id?: string | undefined;
  /**
   * The program. A name without a slash is looked up in the command's `PATH`. No shell is involved.
   */
  readonly path: string;
  /** The arguments of the program. @defaultValue none */
  readonly args?: readonly string[] | undefined;
  /**
   * Environment variables, each as `NAME=value`. They override those of the container.
   *
   * @defaultValue the container's environment alone
   */
  readonly env?: readonly string[] | undefined;
  /**
   * The working directory, created together with its parents if it is missing. A relative path is
   * relative to the container's `dir`.
   *
   * @defaultValue the container's `dir`
   */
  readonly dir?: string | undefined;
  /**
   * The user that the command runs as: `name`, `uid`, `name:group` or `uid:gid`.
   *
   * @defaultValue the container's `user`
   */
  readonly user?: string | undefined;
  /**
   * Allocates a terminal. All output of the command is then on stdout.
   *
   * @defaultValue no terminal
   */
  readonly tty?: TtySpec | undefined;
  /**
   * Whether the process is a hijack: an interactive session in the container, like `fly intercept`.
   * The reaper leaves the container alone until the process has ended, or, if the host dies, for
   * the worker's `hijackGraceMs`.
   *
   * @defaultValue true for a terminal with `stdin` in a container from `Worker.lookupContainer` or
   * `Worker.findContainer`, otherwise false
   */
  readonly hijack?: boolean | undefined;
}

/**
 * Defines the terminal of a command.
 *
 * @public
 */
export interface TtySpec {
  /**
   * The initial size.
   *
   * @defaultValue 500 columns and 500 rows, so that no program wraps a build's output
   */
  readonly windowSize?: WindowSize | undefined;
}

/**
 * The size of a terminal in characters.
 *
 * @public
 */
export interface WindowSize {
  /** 1 to 65,535. */
  readonly columns: number;
  /** 1 to 65,535. */
  readonly rows: number;
}

/**
 * Connects the streams of a process to the host's. The library never ends or destroys the host's
 * writables. `Process.wait` settles after they have accepted all output. A writable that fails is
 * detached and reported in `ProcessResult.undelivered`; the command continues.
 *
 * @public
 */
export interface ProcessIO {
  /**
   * The source of the command's stdin. Its end ends the command's stdin.
   *
   * The stream must yield bytes and must not have ended; one that decodes its bytes (`setEncoding`)
   * is refused with `InvalidSpecError`. For `run` without a terminal, nothing may have been read
   * from the stream yet. Of several attached hosts, the one that attached last feeds stdin; when it
   * disconnects, the one that attached before it continues.
   *
   * @defaultValue `/dev/null`
   */
  readonly stdin?: Readable | undefined;
  /** Receives the command's stdout. @defaultValue stdout is not delivered */
  readonly stdout?: Writable | undefined;
  /**
   * Receives the command's stderr, and after it `PodError.diagnostics` once if `Container.run`,
   * `Container.attach` or `Process.wait` rejects with a `PodError`, also as the cause of a
   * `ContainerDisappearedError`. The diagnostics count neither in positions nor in the stored
   * output. If the writable fails, is closed or is slow, they have no effect.
   *
   * @defaultValue stderr is not delivered
   */
  readonly stderr?: Writable | undefined;
  /**
   * Receives stdout and stderr as chunks with their offsets, for a host that stores output. It
   * cannot be combined with `stdout` or `stderr`.
   *
   * The chunks of a stream follow each other without gap or overlap, from `AttachOptions.from` on,
   * also over lost connections. A gap occurs only where the pod no longer keeps the output; it is
   * reported in `ProcessResult.undelivered`. The next chunk of the stream follows when the returned
   * promise has resolved; until then the pod keeps the output, as for a slow writable. The streams
   * do not wait for each other.
   *
   * If the function throws or rejects, the stream is detached and reported in
   * `ProcessResult.undelivered`, as for a writable that fails. `Process.wait` resolves after the
   * last chunk was accepted. A chunk whose promise is pending when the host detaches does not count
   * in `Process.position`, and the next attachment delivers it again.
   *
   * @defaultValue output is delivered to `stdout` and `stderr` alone
   */
  readonly output?: ((chunk: OutputChunk) => void | Promise<void>) | undefined;
  /**
   * Receives the logs of sidecars, by the name of the sidecar, one line per chunk, while the
   * process is followed. A log starts with the first line that the node still keeps, or with `from:
   * 'now'` at the current end. A slow or failing writable never delays the output or the result of
   * the process.
   *
   * @defaultValue no logs are delivered
   */
  readonly sidecars?: Readonly<Record<string, Writable>> | undefined;
}

/**
 * A part of a process's output. `offset + bytes.byteLength` is the position from which an
 * attachment continues (`AttachOptions.from`).
 *
 * @public
 */
export interface OutputChunk {
  /** The stream. With a terminal it is always stdout. */
  readonly stream: 'stdout' | 'stderr';
  /** The offset of the first byte in the stream, in bytes. */
  readonly offset: number;
  /** The bytes. The receiver owns them. */
  readonly bytes: Uint8Array;
}

/**
 * Selects the output that an attachment delivers: `'start'` delivers all output that is still kept,
 * `'now'` only what the command writes from now on, and a position what follows these offsets.
 *
 * @public
 */
export type OutputPosition = 'start' | 'now' | ProcessPosition;

/**
 * Offsets in the output of a process.
 *
 * @public
 */
export interface ProcessPosition {
  /** The offset in stdout, in bytes. */
  readonly stdoutBytes: number;
  /** The offset in stderr, in bytes. */
  readonly stderrBytes: number;
}

/**
 * Options of `Container.attach`, and of `Container.run`.
 *
 * @public
 */
export interface AttachOptions extends AbortOptions {
  /** Where the delivered output begins. @defaultValue `'start'` */
  readonly from?: OutputPosition | undefined;
  /**
   * Derives properties of the container from the result. The library calls it once the command has
   * ended and its output was delivered, and stores the properties in the same statement as the
   * result, so that neither is ever visible without the other. If it fails, `Process.wait` rejects
   * with that error, and nothing is stored.
   *
   * @defaultValue only the result is stored
   */
  readonly resultProperties?: ((result: ProcessResult) => Properties | Promise<Properties>) | undefined;
  /**
   * Whether the attachment only reads, for people who look at a process that a host follows. It
   * confirms no output, so that the pod keeps the output for the host. At the end of the process it
   * saves no output volumes and stores no result, which `Process.wait` returns. It also leaves a
   * process alone that a full disk blocks. Refused together with `ProcessIO.stdin` and
   * `resultProperties`.
   *
   * @defaultValue false
   */
  readonly observe?: boolean | undefined;
}

/**
 * Options of `Container.run`.
 *
 * @public
 */
export interface RunOptions extends Omit<AttachOptions, 'observe'> {
  /**
   * What to do if the ID was started with another command.
   *
   * `'reject'`: the call rejects with `ProcessSpecChangedError`. `'keep'`: the call attaches to the
   * process, or returns its stored result.
   *
   * Commands are compared by a digest of `path`, `args`, `env`, `dir`, `user`, and of whether there
   * are a terminal and a stdin. The agent and the database keep the digest. A process that an agent
   * or a host of an older version has recorded matches every command.
   *
   * @defaultValue `'reject'`
   */
  readonly onSpecChange?: 'reject' | 'keep' | undefined;
}

/**
 * Strings that the host stores with a container, by name. A name has 1 to 253 characters, a value
 * at most 1 MiB.
 *
 * @public
 */
export type Properties = Readonly<Record<string, string>>;

/**
 * Describes how a process ended. A non-zero status is a result, not an error.
 *
 * @public
 */
export interface ProcessResult extends ProcessOutcome {
  /**
   * The output that the host has not received, and why: a writable or `output` failed, or the pod
   * no longer keeps the output. Absent if everything was delivered. A result that comes from the
   * database, because the pod no longer exists, has an `OutputFreedError` for each stream with
   * missing bytes.
   */
  readonly undelivered?: readonly UndeliveredOutput[] | undefined;
  /**
   * The sidecars that ended and were restarted while the process was followed. Absent if there were
   * none.
   */
  readonly sidecarEnds?: readonly SidecarEnd[] | undefined;
  /**
   * The outputs that could not be saved to their store before the result was recorded, and why.
   * They are readable as long as the pod exists. Absent if all were saved, for a worker that saves
   * no outputs, and for a result that another host has recorded; `VolumeStatus.unsavedAt` remains.
   */
  readonly unsaved?: readonly UnsavedOutput[] | undefined;
}

/**
 * Describes an output of a container that could not be saved.
 *
 * @public
 */
export interface UnsavedOutput {
  /** The path of the output in the container. */
  readonly mountPath: string;
  /** The handle of the volume. */
  readonly handle: string;
  /** The error of the store or of the pod, such as a `StoreUnavailableError`. */
  readonly cause: unknown;
}

/**
 * Describes how a sidecar ended. If it ended several times, it describes the last one.
 *
 * @public
 */
export interface SidecarEnd {
  /** The name of the sidecar. */
  readonly name: string;
  /** How many ends were observed. */
  readonly times: number;
  /** The exit code, 0 to 255. */
  readonly exitCode: number;
  /** The reason that Kubernetes reports, such as `Error` or `Completed`. */
  readonly reason: string | undefined;
}

/**
 * Describes output that the host has not received.
 *
 * @public
 */
export interface UndeliveredOutput {
  /** The stream that was affected. */
  readonly stream: 'stdout' | 'stderr' | 'sidecar';
  /** The name of the sidecar, if `stream` is `'sidecar'`. */
  readonly sidecar?: string | undefined;
  /** The error of the writable or of `ProcessIO.output`, or an `OutputFreedError`. */
  readonly cause: unknown;
}

/**
 * Options of `Process.wait`.
 *
 * @public
 */
export interface WaitOptions extends AbortOptions {
  /**
   * Detaches when it aborts: the delivery of output ends, the command continues, and `wait` rejects
   * with a `ProcessDetachedError`, which has the position reached. A host aborts it at its
   * shutdown, so that another host continues.
   *
   * Detaching does not wait for the end of the process, and takes at most a few seconds. A process
   * that has ended by then still returns its result. The signal has no effect on a stop that
   * `signal` has begun; once detaching has begun, `signal` has no effect. Other calls of `wait` on
   * the same object reject with `ClosedError`.
   *
   * @defaultValue only the end of the process ends the wait
   */
  readonly detachSignal?: AbortSignal | undefined;
}

/**
 * A command that was started in a container. It continues whatever happens to this object, to its
 * connection or to the host.
 *
 * @public
 */
export interface Process extends AsyncDisposable {
  /** The ID of the process in its container. `Container.attach` accepts it. */
  readonly id: string;
  /**
   * Whether the call that returned this object started the command.
   *
   * `true` for at most one call per ID. `false` from `Container.attach`, and from a `Container.run`
   * that found the ID started. A `run` that lost its connection during the start, and found the
   * command running afterwards, returns `false` as well: its own attempt, or that of another host,
   * may have started it.
   */
  readonly startedByCall: boolean;
  /**
   * Resolves when the command has ended, its output was delivered and its result is stored. A lost
   * connection is replaced, and delivery continues at the offsets reached. On a worker with a store
   * for outputs (`StoresOptions.saveOutputs`), the output volumes of the container are saved before
   * the result is stored. While the store is unavailable, the result waits at most
   * `StoresOptions.unavailableBudgetMs`; see `ProcessResult.unsaved`.
   *
   * The signal stops the *command*: its process group receives TERM, its output is still delivered,
   * and after 10 s the group receives KILL. Then `wait` rejects with the signal's reason. To leave
   * the command alone, abort `detachSignal` instead.
   *
   * A command that is ended by the deletion or eviction of its pod has no result, whatever its exit
   * status. Nothing is stored, and `wait` rejects with what happened to the pod once the command
   * has ended. If that end cannot be observed, `PodError.mayStillRun` is true.
   *
   * @example
   * ```ts
   * const abort = new AbortController();
   * process.once('SIGINT', () => abort.abort(new Error('interrupted')));
   *
   * const task = await container.run({ id: 'task', path: 'make' }, { stdout: process.stdout });
   * // An interrupt stops the command, and `wait` rejects with the error above.
   * const { exitStatus, signal } = await task.wait({ signal: abort.signal });
   * ```
   *
   * @throws ProcessDetachedError if `detachSignal` was aborted; the command continues
   * @throws OutOfMemoryError if the kernel killed the command for lack of memory, or a child whose
   * end the command answered with status 137, or a sidecar. A command that continues is not
   * stopped.
   * @throws PodDeletedError, PodEvictedError or PodFailedError if the pod ended
   * @throws OutcomeUnknownError if how the command ended cannot be determined
   * @throws DiskFullError if the pod had no room for output or result for one minute; the command
   * was stopped
   * @throws InvalidSpecError if `stdin` ends before the byte up to which an earlier `run` has fed
   * the command
   */
  wait(options?: WaitOptions): Promise<ProcessResult>;
  /**
   * Sends a signal, by number, to the command's process group. Does nothing if the process has
   * ended.
   *
   * @example
   * ```ts
   * const task = await container.attach('task', {});
   * await task.signal(2); // SIGINT
   * ```
   */
  signal(signal: number, options?: AbortOptions): Promise<void>;
  /**
   * Changes the size of the terminal. Does nothing if the process has no terminal.
   *
   * @example
   * ```ts
   * const shell = await container.run(
   *   { path: 'sh', tty: { windowSize: { columns: 80, rows: 24 } } },
   *   { stdin: process.stdin, stdout: process.stdout },
   * );
   * await shell.resize({ columns: 120, rows: 40 });
   * ```
   */
  resize(windowSize: WindowSize, options?: AbortOptions): Promise<void>;
  /**
   * Returns the offsets up to which output was delivered to the host. A later
   * attachment continues there with `AttachOptions.from`.
   *
   * @example
   * ```ts
   * const task = await container.run({ id: 'task', path: 'make' }, { stdout: process.stdout });
   * await container.setProperty('position', JSON.stringify(task.position()));
   * ```
   */
  position(): ProcessPosition;
  /**
   * Detaches: stops delivering output. The command continues.
   *
   * @example
   * ```ts
   * await using task = await container.attach('task', { stdout: process.stdout }, { from: 'now' });
   * // Detaches at the end of this block.
   * ```
   */
  [Symbol.asyncDispose](): Promise<void>;
}
