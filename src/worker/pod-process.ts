import type { AgentClient } from '../agent-client/agent-client.ts';
import type { AttachOpened } from '../agent-client/process/attachment.ts';
import type { AgentProcessResult } from '../agent-client/process/process-result.ts';
import { PROCESS_FATES_SINCE } from '../agent-client/session/agent-hello.ts';
import { ClosedError } from '../errors/caller.ts';
import { PodError } from '../errors/pod.ts';
import { OutcomeUnknownError } from '../errors/process.ts';
import { DiskFullError } from '../errors/transfer.ts';
import { abortable } from '../internal/abort.ts';
import { mainContainerName } from '../kubernetes/pod-spec.ts';
import type { PodLogs } from '../pods/pod-logs.ts';
import type { PodSupervisor } from '../pods/pod-supervisor.ts';
import { TerminationWatch } from '../pods/termination-watch.ts';
import type { ContainerRepository } from '../repository/container-repository.ts';
import type { ProcessResultRecord } from '../repository/records.ts';
import type { AbortOptions, Clock, Logger } from '../runtime/options.ts';
import type {
  AttachOptions,
  OutputPosition,
  Process,
  ProcessIO,
  ProcessPosition,
  ProcessResult,
  Properties,
  UndeliveredOutput,
  WindowSize,
} from '../runtime/process.ts';
import { abortOptions } from '../validation/common-shapes.ts';
import { windowSize as windowSizeShape } from '../validation/process-shapes.ts';
import { checkShape } from '../validation/shape.ts';
import { keepHijackMarked } from './hijack-heartbeat.ts';
import { missingOutput } from './missing-output.ts';
import { ProcessAttachments, stopGraceMs } from './process-attachments.ts';
import { outcomeOf } from './process-outcome.ts';
import { checkSignalNumber, checkWindowSize } from './process-spec.ts';
import { SidecarLogs } from './sidecar-logs.ts';
import { mapDeletedPod, type ProcessTarget } from './start-process.ts';

/** What to attach to, and how. */
export interface AttachTarget extends ProcessTarget {
  /** Whether the host's stdin is the command's from its first byte (`run`, also of an id that was started before), or what comes next (`attach`). */
  readonly stdinFrom: 'start' | 'here';
  readonly io: ProcessIO;
  readonly from: OutputPosition;
  readonly resultProperties: AttachOptions['resultProperties'];
  /** Whether somebody works by hand through it, and the mark of that is set. */
  readonly hijack: boolean;
  /** In bytes, by the pod container's name. */
  readonly memoryLimits: ReadonlyMap<string, number | undefined>;
}

export interface PodProcessComponents {
  readonly containers: ContainerRepository;
  readonly agent: () => AgentClient;
  readonly pods: PodSupervisor;
  readonly logs: PodLogs;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly hijackGraceMs: number;
}

/** How long after the grace period of a stop `wait` still waits for the end. */
const stopPatienceMs = 10_000;
/** How late after the grace period the end may come before the stop is said again, over another connection. */
const stopAgainMs = 2_000;

/** A process, followed through as many connections as it takes. */
export class PodProcess implements Process {
  readonly id: string;
  readonly #target: AttachTarget;
  readonly #components: PodProcessComponents;
  readonly #attachments: ProcessAttachments;
  readonly #sidecars: SidecarLogs;
  readonly #detached = new AbortController();
  readonly #over = new AbortController();
  readonly #givenUp = Promise.withResolvers<never>();
  readonly #opening: Promise<AttachOpened>;
  readonly #end: Promise<ProcessResult>;
  #failure: { readonly cause: unknown } | undefined;

  /** Attaches, and follows the process from then on. The signal covers the attaching. */
  static async attach(
    target: AttachTarget,
    components: PodProcessComponents,
    { signal }: AbortOptions,
  ): Promise<PodProcess> {
    const process = new PodProcess(target, components, signal);
    try {
      await mapDeletedPod(target, () => Promise.race([process.#opening, process.#end]));
    } catch (error) {
      process.#detached.abort(error);
      process.#release();
      throw error;
    }
    return process;
  }

  /** Follows a process that was started: it is attached to in its turn, and `wait` rejects with what that fails with. */
  static follow(target: AttachTarget, components: PodProcessComponents): PodProcess {
    return new PodProcess(target, components, undefined);
  }

  private constructor(target: AttachTarget, components: PodProcessComponents, signal: AbortSignal | undefined) {
    const { io, podName, from } = target;
    this.id = target.processId;
    this.#target = target;
    this.#components = components;
    const failed = (cause: unknown): void => {
      this.#fail(cause);
    };
    this.#attachments = new ProcessAttachments({ target, io, from, stdinFrom: target.stdinFrom, failed }, components);
    this.#sidecars = new SidecarLogs(
      { podName, writables: io.sidecars ?? {}, from: from === 'now' ? 'now' : 'start' },
      components,
    );
    this.#givenUp.promise.catch(ignore);
    const { signal: detached } = this.#detached;
    this.#opening = this.#attachments.begin(signal === undefined ? detached : AbortSignal.any([signal, detached]));
    this.#opening.catch(ignore);
    this.#end = this.#follow();
    // `wait` reports it; an error that no `wait` reports must not end the host's program.
    this.#end.catch(ignore);
  }

  async wait(options: AbortOptions = {}): Promise<ProcessResult> {
    checkShape('options', abortOptions, options);
    const { signal } = options;
    try {
      signal?.throwIfAborted();
      return await abortable(this.#end, signal);
    } catch (error) {
      if (signal?.aborted !== true) throw error;
      await this.#stop();
      throw signal.reason;
    }
  }

  async signal(signal: number, options: AbortOptions = {}): Promise<void> {
    checkSignalNumber(signal);
    checkShape('options', abortOptions, options);
    await this.#persist(() => this.#components.agent().signal(this.id, signal, options), options);
  }

  async resize(windowSize: WindowSize, options: AbortOptions = {}): Promise<void> {
    checkShape('windowSize', windowSizeShape, windowSize);
    checkWindowSize('windowSize', windowSize);
    checkShape('options', abortOptions, options);
    await this.#persist(() => this.#components.agent().resize(this.id, windowSize, options), options);
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

  /** Until the process has ended, through every lost connection, and with an eye on its pod. */
  async #follow(): Promise<ProcessResult> {
    const within = AbortSignal.any([this.#over.signal, this.#detached.signal]);
    const marked = this.#target.hijack ? keepHijackMarked(this.#target, this.#components, within) : undefined;
    this.#sidecars.follow(within);
    try {
      let ended: Ended;
      try {
        ended = await this.#untilEnd(within);
      } catch (error) {
        return await this.#endedBefore(error);
      }
      return await this.#conclude(ended, within);
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
    const troubles = [pods.whenGone(podName, { signal }), this.#givenUp.promise];
    for (const trouble of troubles) trouble.catch(ignore);
    const { startedAt } = await Promise.race([this.#opening, ...troubles]);
    const ends = new TerminationWatch({ pods, podName, since: startedAt, memoryLimits, clock, logger });
    const outOfMemory = ends.whenOutOfMemory({ signal });
    outOfMemory.catch(ignore);
    const result = await Promise.race([this.#attachments.untilResult(signal), outOfMemory, ...troubles]);
    await Promise.all([this.#attachments.flush(), this.#sidecars.settle()]);
    await this.#requireOwn(result, signal);
    return { result, ends };
  }

  /**
   * The end of a pod ends its commands, by a signal or by what they do at a signal: then what became of the pod is the answer, and no result of theirs. An agent before
   * protocol 3 does not mark such results: those that a signal ended are in doubt.
   */
  async #requireOwn(result: AgentProcessResult, signal: AbortSignal): Promise<void> {
    const { pods } = this.#components;
    const { podName } = this.#target;
    if (this.#attachments.protocol < PROCESS_FATES_SINCE && result.signal !== undefined)
      await pods.requireAlive(podName, { signal });
    if (!result.shutdown) return;
    const end = await pods.findEnd(podName, { signal, expectedSince: result.startedAt });
    throw end ?? new OutcomeUnknownError(this.#subject, 'its container was stopped, and the command with it');
  }

  /** Stores the result, then resolves: a result that was given to the host must not be lost, so while the database does not answer it is kept back. The agent keeps it. */
  async #conclude({ result, ends }: Ended, signal: AbortSignal): Promise<ProcessResult> {
    let told: ProcessResult;
    try {
      told = this.#tell(result, ends);
    } catch (error) {
      await this.#record(result, {}, signal);
      throw error;
    }
    await this.#record(result, (await this.#target.resultProperties?.(told)) ?? {}, signal);
    return told;
  }

  #tell(result: AgentProcessResult, { sidecarEnds }: TerminationWatch): ProcessResult {
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
    const known = 'the container was killed before all of it was read';
    return { stream: 'stdout', cause: new OutcomeUnknownError(`the end of the output of ${this.#subject}`, known) };
  }

  async #record(result: AgentProcessResult, properties: Properties, signal: AbortSignal): Promise<void> {
    const { containers, pods } = this.#components;
    const { exitStatus, signal: number, oomKills, stdoutBytes, stderrBytes } = result;
    const record = { exitStatus, signal: number, oomKills, stdoutBytes, stderrBytes };
    // Whatever becomes of the pod meanwhile: the result is known.
    await pods.retry(
      () => containers.recordProcessResult(this.#target.handle, this.id, record, { properties, signal }),
      { signal },
    );
  }

  /** Another host may have stored the result before the pod went; else what became of the pod is the answer. */
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

  /** The result in the database, with what the host's writables will not get any more. */
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

  /** The command is stopped, and `wait` rejects with the cause: when the process has ended, or in any case after a while where its result may have no room on a full disk. */
  #fail(cause: unknown): void {
    this.#failure ??= { cause };
    this.#attachments.stop();
    if (!(cause instanceof DiskFullError)) return;
    const enough = this.#components.clock.sleep(stopGraceMs + stopPatienceMs, { signal: this.#over.signal });
    enough.then(() => this.#givenUp.reject(cause), ignore);
  }

  /** Output is delivered meanwhile. Bounded, whatever the process or the connection does. */
  async #stop(): Promise<void> {
    const { clock, logger } = this.#components;
    const enough = new AbortController();
    const { signal } = enough;
    this.#attachments.stop();
    const ended = this.#end.catch(ignore);
    const stopping = this.#stopByItself(signal)
      .catch((error: unknown) =>
        logger.warn('process not stopped', { handle: this.#target.handle, processId: this.id, error }),
      )
      .then(() => (this.#attachments.hasBegun ? ended : undefined));
    await Promise.race([ended, stopping, clock.sleep(stopGraceMs + stopPatienceMs, { signal })]);
    enough.abort();
  }

  /** Stops it by an operation of its own: at once where it is not attached to, else where its attachment does not seem to get through. */
  async #stopByItself(signal: AbortSignal): Promise<void> {
    const { agent, clock } = this.#components;
    if (this.#attachments.hasBegun) await clock.sleep(stopGraceMs + stopAgainMs, { signal });
    await this.#persist(() => agent().stop(this.id, stopGraceMs, { signal }), { signal });
  }

  async #persist<T>(work: () => Promise<T>, { signal }: AbortOptions): Promise<T> {
    return await this.#components.pods.persist(this.#target.podName, work, { signal });
  }

  #release(): void {
    this.#attachments.release();
    this.#sidecars.release();
  }
}

/** How a process has ended, and its pod's containers meanwhile. */
interface Ended {
  readonly result: AgentProcessResult;
  readonly ends: TerminationWatch;
}

function ignore(): undefined {
  // Reported elsewhere.
}
