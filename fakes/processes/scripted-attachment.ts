import {
  type AttachOptions,
  ClosedError,
  type OutputPosition,
  ProcessDetachedError,
  type ProcessIO,
  type ProcessOutcome,
  type ProcessPosition,
  type ProcessResult,
  type Properties,
  type WaitOptions,
} from '../../src/index.ts';
import type { CommandRun } from './command-run.ts';
import { Delivery } from './delivery.ts';

/** A faked command, and how a call attaches to it. */
export interface AttachmentTarget {
  readonly handle: string;
  readonly processId: string;
  readonly run: CommandRun;
  readonly stdinFrom: 'start' | 'here';
  /** Stores the result together with its properties. */
  readonly store: (properties: Properties) => void;
}

const terminate = 15;

/** An attachment to a faked command: it behaves like the `Process` of a worker. */
export class ScriptedAttachment {
  readonly #target: AttachmentTarget;
  readonly #options: AttachOptions;
  readonly #stdout: Delivery;
  readonly #stderr: Delivery;
  readonly #closed: PromiseWithResolvers<never> = Promise.withResolvers<never>();
  readonly #delivered: Promise<unknown>;
  readonly #end: Promise<ProcessResult>;
  #releaseStdin: (() => void) | undefined;
  #stdinFailure: Error | undefined;

  constructor(target: AttachmentTarget, io: ProcessIO, options: AttachOptions) {
    const { run, stdinFrom } = target;
    this.#target = target;
    this.#options = options;
    const from = offsets(options.from ?? 'start', run);
    this.#stdout = new Delivery('stdout', run.stdout, from.stdoutBytes, io);
    this.#stderr = new Delivery('stderr', run.stderr, from.stderrBytes, io);
    if (io.stdin !== undefined) this.#releaseStdin = run.stdin.feedFrom(io.stdin, stdinFrom, this.#onStdinError);
    this.#closed.promise.catch(ignore);
    this.#delivered = Promise.all([this.#stdout.run(), this.#stderr.run()]);
    this.#end = this.#follow();
    this.#end.catch(ignore);
  }

  get position(): ProcessPosition {
    return { stdoutBytes: this.#stdout.position, stderrBytes: this.#stderr.position };
  }

  async wait({ signal, detachSignal }: WaitOptions = {}): Promise<ProcessResult> {
    try {
      signal?.throwIfAborted();
      return await abortable(abortable(this.#end, detachSignal), signal);
    } catch (error) {
      if (signal?.aborted === true) {
        this.#target.run.signal(terminate);
        await this.#end.catch(ignore);
        throw signal.reason;
      }
      if (detachSignal?.aborted === true) return await this.#leave(detachSignal.reason);
      throw error;
    }
  }

  /** Stops the delivery of output. The command continues. */
  async detach(): Promise<void> {
    this.#closed.reject(new ClosedError(`process ${this.#target.processId}`));
    this.#release();
    await this.#delivered;
    await this.#end.catch(ignore);
  }

  /** Detaches, and returns the result if the command has ended by then. */
  async #leave(cause: unknown): Promise<ProcessResult> {
    await this.detach();
    try {
      return await this.#end;
    } catch (error) {
      if (!(error instanceof ClosedError)) throw error;
      throw new ProcessDetachedError(this.#target, this.position, { cause });
    }
  }

  async #follow(): Promise<ProcessResult> {
    try {
      await Promise.race([this.#delivered, this.#closed.promise]);
      return await this.#conclude(await this.#target.run.ended);
    } finally {
      this.#release();
    }
  }

  async #conclude(outcome: ProcessOutcome): Promise<ProcessResult> {
    if (this.#stdinFailure !== undefined) {
      this.#target.store({});
      throw this.#stdinFailure;
    }
    const undelivered = [this.#stdout.failure, this.#stderr.failure].filter((failure) => failure !== undefined);
    const result = { ...outcome, ...(undelivered.length === 0 ? {} : { undelivered }) };
    if (this.#options.observe !== true) this.#target.store((await this.#options.resultProperties?.(result)) ?? {});
    return result;
  }

  #release(): void {
    this.#stdout.detach();
    this.#stderr.detach();
    this.#releaseStdin?.();
  }

  /** A part of the input must not pass for all of it: the command is stopped. */
  readonly #onStdinError = (error: Error): void => {
    this.#stdinFailure ??= error;
    this.#target.run.signal(terminate);
  };
}

function offsets(from: OutputPosition, { stdout, stderr }: CommandRun): ProcessPosition {
  if (from === 'start') return { stdoutBytes: 0, stderrBytes: 0 };
  return from === 'now' ? { stdoutBytes: stdout.size, stderrBytes: stderr.size } : from;
}

/** Settles like the promise, or rejects with the reason of the signal. */
async function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return await promise;
  const aborted = Promise.withResolvers<never>();
  const onAbort = (): void => aborted.reject(signal.reason);
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort);
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

function ignore(): void {}
