import type { AgentClient } from '../../agent-client/agent-client.ts';
import type { AttachOpened } from '../../agent-client/process/attachment.ts';
import type { AgentProcessResult } from '../../agent-client/process/process-result.ts';
import { ClosedError } from '../../errors/caller.ts';
import { PodError } from '../../errors/pod.ts';
import { OutcomeUnknownError, ProcessDetachedError } from '../../errors/process.ts';
import { DiskFullError } from '../../errors/transfer.ts';
import type { EmitEvent } from '../../events/emit-event.ts';
import { abortable } from '../../internal/abort.ts';
import { mainContainerName } from '../../kubernetes/pod-spec/pod-spec.ts';
import type { PodLogs } from '../../pods/pod-logs.ts';
import type { PodSupervisor } from '../../pods/pod-supervisor.ts';
import { TerminationWatch } from '../../pods/termination-watch.ts';
import type { ContainerRepository } from '../../repository/container-repository.ts';
import type { ProcessResultRecord } from '../../repository/records.ts';
import type { AbortOptions, Clock, Logger } from '../../runtime/options.ts';
import type {
  AttachOptions,
  OutputPosition,
  Process,
  ProcessIO,
  ProcessPosition,
  ProcessResult,
  Properties,
  UndeliveredOutput,
  UnsavedOutput,
  WaitOptions,
  WindowSize,
} from '../../runtime/process.ts';
import type { OpenSpan } from '../../telemetry/tracing.ts';
import { abortOptions } from '../../validation/common-shapes.ts';
import { waitOptions, windowSize as windowSizeShape } from '../../validation/process-shapes.ts';
import { checkShape } from '../../validation/shape.ts';
import { diagnosed, withDiagnostics } from '../notices/diagnosed.ts';
import { noticeNodeReadiness } from '../notices/node-notices.ts';
import { missingOutput } from '../output/missing-output.ts';
import { SidecarLogs } from '../output/sidecar-logs.ts';
import { checkSignalNumber, checkWindowSize } from '../plan/process-spec.ts';
import { type ResultComponents, recordResult, requireOwnResult } from './agent-result.ts';
import { keepHijackMarked } from './hijack-heartbeat.ts';
import { ProcessAttachments, stopGraceMs } from './process-attachments.ts';
import { outcomeOf } from './process-outcome.ts';
import { mapDeletedPod, type ProcessTarget } from './start-process.ts';

/** The process to attach to, and the options of the attachment. */
export interface AttachTarget extends ProcessTarget {
  /**
   * `start`: the first byte of the host's stdin is the command's first byte (`run`, also for an id
   * that was started before). `here`: it is the command's next byte (`attach`).
   */
  readonly stdinFrom: 'start' | 'here';
  /** Whether the call started the command. @defaultValue false */
  readonly startedByCall?: boolean | undefined;
  readonly io: ProcessIO;
  readonly from: OutputPosition;
  readonly resultProperties: AttachOptions['resultProperties'];
  /** Whether the attachment only reads. @defaultValue false */
  readonly observe?: boolean | undefined;
  /** Whether the process is a hijack. Then its mark is set. */
  readonly hijack: boolean;
  /** In bytes, by the name of the pod container. */
  readonly memoryLimits: ReadonlyMap<string, number | undefined>;
  /** The span of the process. It ends with the process, or when the host detaches. */
  readonly span: OpenSpan;
}

export interface PodProcessComponents {
  readonly containers: ContainerRepository;
  readonly agent: () => AgentClient;
  readonly pods: PodSupervisor;
  readonly logs: PodLogs;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly hijackGraceMs: number;
  readonly outputs: ResultComponents['outputs'];
  readonly emit: EmitEvent;
}

/** How long `wait` still waits for the end after the grace period of a stop. */
const stopMarginMs = 10_000;
/**
 * How late after the grace period the end may come before the stop is sent again over another
 * connection.
 */
const stopRetryMs = 2_000;

/** A process that is followed to its end, with a new attachment after each lost connection. */
export class PodProcess implements Process {
  readonly id: string;
  readonly startedByCall: boolean;
  readonly #target: AttachTarget;
  readonly #components: PodProcessComponents;
  readonly #attachments: ProcessAttachments;
  readonly #sidecars: SidecarLogs;
  readonly #detached = new AbortController();
  readonly #over = new AbortController();
  /** Rejects when `wait` stops waiting for the end of the process. */
  readonly #abandoned = Promise.withResolvers<never>();
  readonly #opening: Promise<AttachOpened>;
  readonly #end: Promise<ProcessResult>;
  /** Whether a caller awaits the first attachment. */
  readonly #isAwaited: boolean;
  #failure: { readonly cause: unknown } | undefined;

  /**
   * Resolves when attached, and follows the process from then on. The signal aborts only the
   * attaching. The caller reports the error with which it rejects.
   */
  static async attach(
    target: AttachTarget,
    components: PodProcessComponents,
    { signal }: AbortOptions,
  ): Promise<PodProcess> {
    const process = new PodProcess(target, components, { signal });
    try {
      await mapDeletedPod(target, () => Promise.race([process.#opening, process.#end]));
    } catch (error) {
      target.span.fail(error, { signal });
      process.#detached.abort(error);
      process.#release();
      throw error;
    }
    return process;
  }

  /**
   * Follows a process that was started. Attaches in the background; `wait` rejects with the error
   * if that fails.
   */
  static follow(target: AttachTarget, components: PodProcessComponents): PodProcess {
    return new PodProcess(target, components);
  }

  private constructor(target: AttachTarget, components: PodProcessComponents, attaching?: AbortOptions) {
    const { io, podName, from } = target;
    const signal = attaching?.signal;
    this.#isAwaited = attaching !== undefined;
    this.id = target.processId;
    this.startedByCall = target.startedByCall ?? false;
    this.#target = target;
    this.#components = components;
    const failed = (cause: unknown): void => {
      this.#fail(cause);
    };
    const { stdinFrom, observe } = target;
    this.#attachments = new ProcessAttachments({ target, io, from, stdinFrom, observe, failed }, components);
    this.#sidecars = new SidecarLogs(
      { podName, writables: io.sidecars ?? {}, from: from === 'now' ? 'now' : 'start' },
      components,
    );
    this.#abandoned.promise.catch(ignore);
    const { signal: detached } = this.#detached;
    this.#opening = this.#attachments.begin(signal === undefined ? detached : AbortSignal.any([signal, detached]));
    this.#opening.catch(ignore);
    this.#end = target.span.within(() => this.#followInSpan());
    // `wait` reports the error. Without a `wait`, the error must not end the host's program.
    this.#end.catch(ignore);
  }

  async wait(options: WaitOptions = {}): Promise<ProcessResult> {
    checkShape('options', waitOptions, options);
    const { signal, detachSignal } = options;
    try {
      signal?.throwIfAborted();
      return await abortable(abortable(this.#end, detachSignal), signal);
    } catch (error) {
      if (signal?.aborted === true) {
        await this.#stop();
        throw signal.reason;
      }
      if (detachSignal?.aborted === true) return await this.#leave(detachSignal.reason);
      throw error;
    }
  }

  async signal(signal: number, options: AbortOptions = {}): Promise<void> {
    checkSignalNumber(signal);
    checkShape('options', abortOptions, options);
    await this.#call(() => this.#components.agent().signal(this.id, signal, options), options);
  }

  async resize(windowSize: WindowSize, options: AbortOptions = {}): Promise<void> {
    checkShape('windowSize', windowSizeShape, windowSize);
    checkWindowSize('windowSize', windowSize);
    checkShape('options', abortOptions, options);
    await this.#call(() => this.#components.agent().resize(this.id, windowSize, options), options);
  }

  position(): ProcessPosition {
    return this.#attachments.position;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#detached.abort(new ClosedError(`process ${this.id}`));
    this.#release();
    await this.#attachments.detach();
    await this.#end.catch(ignore);
  }

  /**
   * Detaches, and returns the result if the process has ended by then.
   *
   * @throws ProcessDetachedError
   */
  async #leave(cause: unknown): Promise<ProcessResult> {
    await this[Symbol.asyncDispose]();
    try {
      return await this.#end;
    } catch (error) {
      if (!(error instanceof ClosedError)) throw error;
      throw new ProcessDetachedError(this.#target, this.position(), { cause });
    }
  }

  /** Ends the span when the process has ended, or the host has detached. */
  async #followInSpan(): Promise<ProcessResult> {
    const { span } = this.#target;
    try {
      const result = await this.#follow();
      span.set({ exitCode: result.exitStatus });
      span.end();
      return result;
    } catch (error) {
      const { signal } = this.#detached;
      if (signal.aborted) span.set({ detached: true });
      span.fail(error, { signal });
      throw error;
    }
  }

  /** Waits for the end of the process through lost connections, and watches its pod. */
  async #follow(): Promise<ProcessResult> {
    const within = AbortSignal.any([this.#over.signal, this.#detached.signal]);
    const marked = this.#target.hijack ? keepHijackMarked(this.#target, this.#components, within) : undefined;
    this.#sidecars.follow(within);
    const { pods, logger } = this.#components;
    void noticeNodeReadiness({ pods, podName: this.#target.podName, logger, signal: within });
    try {
      let ended: Ended;
      try {
        const wait = (): Promise<Ended> => this.#untilEnd(within);
        ended = await this.#target.span.span('process.wait', {}, wait, this.#detached);
      } catch (error) {
        return await this.#endedBefore(error);
      }
      return await this.#conclude(ended, within);
    } catch (error) {
      throw await this.#diagnosed(error);
    } finally {
      this.#over.abort();
      this.#release();
      void this.#attachments.detach();
      await marked;
    }
  }

  async #untilEnd(signal: AbortSignal): Promise<Ended> {
    const { pods, clock, logger } = this.#components;
    const { podName, memoryLimits } = this.#target;
    const failures = [pods.whenGone(podName, { signal }), this.#abandoned.promise];
    for (const failure of failures) failure.catch(ignore);
    const { startedAt } = await Promise.race([this.#opening, ...failures]);
    const ends = new TerminationWatch({ pods, podName, since: startedAt, memoryLimits, clock, logger });
    const outOfMemory = ends.whenOutOfMemory({ signal });
    outOfMemory.catch(ignore);
    const result = await Promise.race([this.#attachments.untilResult(signal), outOfMemory, ...failures]);
    await Promise.all([this.#attachments.flush(), this.#sidecars.settle()]);
    await requireOwnResult(result, { ...this.#target, protocol: this.#attachments.protocol }, pods, { signal });
    return { result, ends };
  }

  /**
   * Saves the outputs and persists the result before `wait()` resolves, because a result that the
   * host has received must not be lost. During a database outage `wait()` stays pending, and the
   * agent keeps the result.
   */
  async #conclude({ result, ends }: Ended, signal: AbortSignal): Promise<ProcessResult> {
    const { resultProperties, observe, startedByCall, hijack } = this.#target;
    if (observe === true) return this.#resultOf(result, ends);
    // Of a process that another call has started, the database knows. The answer to the call that has
    // started it may have been lost, so a hijack of this call stays one.
    const source = { ...this.#target, hijack: hijack || startedByCall === true ? hijack : undefined };
    let processResult: ProcessResult;
    try {
      processResult = this.#resultOf(result, ends);
    } catch (error) {
      await recordResult(result, source, this.#components, { signal });
      throw error;
    }
    const properties = async (unsaved: readonly UnsavedOutput[]): Promise<Properties> =>
      (await resultProperties?.(withUnsaved(processResult, unsaved))) ?? {};
    const unsaved = await recordResult(result, source, this.#components, { properties, signal });
    return withUnsaved(processResult, unsaved);
  }

  /** @throws the cause of the failure that stopped the command, or `OutOfMemoryError` */
  #resultOf(result: AgentProcessResult, { sidecarEnds }: TerminationWatch): ProcessResult {
    if (this.#failure !== undefined) throw this.#failure.cause;
    const cut = result.outputCut ? [this.#cut()] : [];
    const outcome = this.#outcome(result, [...cut, ...this.#attachments.undelivered]);
    return { ...outcome, ...(sidecarEnds.length === 0 ? {} : { sidecarEnds }) };
  }

  #outcome(result: ProcessResultRecord, undeliveredOutput: readonly UndeliveredOutput[]): ProcessResult {
    const undelivered = [...undeliveredOutput, ...this.#sidecars.undelivered];
    return { ...outcomeOf(result, () => this.#outOfMemory()), ...(undelivered.length === 0 ? {} : { undelivered }) };
  }

  #cut(): UndeliveredOutput {
    const known = 'the container was killed before all output was read';
    return { stream: 'stdout', cause: new OutcomeUnknownError(`the end of the output of ${this.#subject}`, known) };
  }

  /**
   * Returns the result if another host stored it before the pod ended. Rejects with the error about
   * the pod otherwise.
   */
  async #endedBefore(error: unknown): Promise<ProcessResult> {
    const { pods } = this.#components;
    const { signal } = this.#detached;
    if (error instanceof PodError) {
      const stored = await this.#findStored();
      if (stored !== undefined) return stored;
      const settled = await pods.settled(error, { signal });
      const late = settled === error ? undefined : await this.#findStored();
      if (late !== undefined) return late;
      throw settled;
    }
    if (error instanceof OutcomeUnknownError && this.#attachments.hasBegun) {
      const limitBytes = this.#target.memoryLimits.get(mainContainerName);
      const { startedAt: since } = await this.#opening;
      const killed = await pods.findMemoryKill(this.#target.podName, { since, limitBytes, signal }).catch(ignore);
      if (killed !== undefined) throw killed;
    }
    throw error;
  }

  /**
   * Completes an error about the pod, after the last output: its diagnostics follow on stderr. A
   * caller that awaits the first attachment does that itself, so that they are written once.
   */
  async #diagnosed(error: unknown): Promise<unknown> {
    if (this.#isAwaited && !this.#attachments.hasBegun) return error;
    this.#over.abort();
    // Delivery stops at once. The answer of an agent that no longer exists is not awaited.
    void this.#attachments.detach();
    const { pods } = this.#components;
    return await diagnosed(error, { pods, stderr: this.#target.io.stderr, signal: this.#detached.signal });
  }

  /**
   * Returns the result in the database, with the output that the host did not receive.
   */
  async #findStored(): Promise<ProcessResult | undefined> {
    const { handle, io, from } = this.#target;
    const stored = await this.#components.containers.findProcessResult(handle, this.id);
    if (stored === undefined) return undefined;
    await this.#attachments.detach();
    await Promise.all([this.#attachments.flush(), this.#sidecars.settle()]);
    const { hasBegun, position, undelivered } = this.#attachments;
    const missing = missingOutput(stored, hasBegun ? position : from, io, { handle, processId: this.id });
    return this.#outcome(stored, [...undelivered, ...missing]);
  }

  #outOfMemory(): PodError {
    const containerName = mainContainerName;
    return this.#components.pods.outOfMemory(this.#target.podName, {
      containerName,
      limitBytes: this.#target.memoryLimits.get(containerName),
    });
  }

  get #subject(): string {
    return `process ${this.id} in container ${this.#target.handle}`;
  }

  /**
   * Stops the command. `wait` rejects with the cause when the process has ended. A full disk may
   * have no space for the result, so `wait` also rejects after a time-out.
   */
  #fail(cause: unknown): void {
    this.#failure ??= { cause };
    this.#attachments.stop();
    if (!(cause instanceof DiskFullError)) return;
    const enough = this.#components.clock.sleep(stopGraceMs + stopMarginMs, { signal: this.#over.signal });
    enough.then(() => this.#abandoned.reject(cause), ignore);
  }

  /** Stops the command and waits for its end, for a bounded time. Output is still delivered. */
  async #stop(): Promise<void> {
    const { clock, logger } = this.#components;
    const enough = new AbortController();
    const { signal } = enough;
    this.#attachments.stop();
    const ended = this.#end.catch(ignore);
    const stopping = this.#sendStop(signal)
      .catch((error: unknown) =>
        logger.warn('process not stopped', { handle: this.#target.handle, processId: this.id, error }),
      )
      .then(() => (this.#attachments.hasBegun ? ended : undefined));
    await Promise.race([ended, stopping, clock.sleep(stopGraceMs + stopMarginMs, { signal })]);
    enough.abort();
  }

  /**
   * Sends the stop as a separate operation: at once if there is no attachment, else only if the
   * stop over the attachment has no effect in time.
   */
  async #sendStop(signal: AbortSignal): Promise<void> {
    const { agent, clock } = this.#components;
    if (this.#attachments.hasBegun) await clock.sleep(stopGraceMs + stopRetryMs, { signal });
    await this.#persist(() => agent().stop(this.id, stopGraceMs, { signal }), { signal });
  }

  /** Does what a caller awaits, whose error has diagnostics. */
  async #call(work: () => Promise<void>, { signal }: AbortOptions): Promise<void> {
    await withDiagnostics(() => this.#persist(work, { signal }), { pods: this.#components.pods, signal });
  }

  async #persist<T>(work: () => Promise<T>, { signal }: AbortOptions): Promise<T> {
    return await this.#components.pods.persist(this.#target.podName, work, { signal });
  }

  #release(): void {
    this.#attachments.release();
    this.#sidecars.release();
  }
}

/** The result of an ended process, and the ends of its pod's containers while it ran. */
interface Ended {
  readonly result: AgentProcessResult;
  readonly ends: TerminationWatch;
}

function ignore(): undefined {
  // Another promise reports the error.
}

function withUnsaved(result: ProcessResult, unsaved: readonly UnsavedOutput[]): ProcessResult {
  return unsaved.length === 0 ? result : { ...result, unsaved };
}
