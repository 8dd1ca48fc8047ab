import type { AgentClient } from '../agent/agent-client.ts';
import type { Attachment, OutputOffsets } from '../agent/attachment.ts';
import type { AgentProcessResult } from '../agent/process-result.ts';
import { ClosedError } from '../errors/caller.ts';
import { isRetryable } from '../errors/error-code.ts';
import { PodError } from '../errors/pod.ts';
import { OutcomeUnknownError, OutputFreedError } from '../errors/process.ts';
import { abortable } from '../internal/abort.ts';
import { backoffMs } from '../internal/backoff.ts';
import { mainContainerName } from '../kubernetes/pod-spec.ts';
import type { PodLogs } from '../pods/pod-logs.ts';
import type { PodSupervisor } from '../pods/pod-supervisor.ts';
import { TerminationWatch } from '../pods/termination-watch.ts';
import type { ContainerRepository } from '../repository/container-repository.ts';
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
import { windowSize as windowSizeShape } from '../validation/process-shapes.ts';
import { checkShape } from '../validation/shape.ts';
import { keepHijackMark } from './hijack-mark.ts';
import { OutputSink } from './output-sink.ts';
import { outcomeOf } from './process-outcome.ts';
import { checkSignalNumber, checkWindowSize } from './process-spec.ts';
import { SidecarLogs } from './sidecar-logs.ts';
import { disappears, type ProcessTarget } from './start-process.ts';
import { StdinBuffer } from './stdin-buffer.ts';

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

/** How long a stopped process may go on before it is killed, */
const stopGraceMs = 10_000;
/** and how long after that `wait` still waits for its end. */
const stopPatienceMs = 10_000;
/** After so much output the agent is told what was delivered: a command whose output nobody takes waits in the end. */
const acknowledgeEachBytes = 8 * 1024 * 1024;
/** Between attachments that are lost before anything was delivered. */
const reattachBackoff = { firstMs: 100, longestMs: 5_000 };

/** A process, followed through as many connections as it takes. */
export class PodProcess implements Process {
  readonly id: string;
  readonly #target: AttachTarget;
  readonly #components: PodProcessComponents;
  readonly #stdout: OutputSink;
  readonly #stderr: OutputSink;
  readonly #sidecars: SidecarLogs;
  readonly #stdin: StdinBuffer | undefined;
  readonly #detached = new AbortController();
  readonly #freed: UndeliveredOutput[] = [];
  #attachment: Attachment | undefined;
  #attempt = 0;
  #feedsStdin = false;
  #unacknowledgedBytes = 0;
  #stdinFailure: { readonly cause: unknown } | undefined;
  #end: Promise<ProcessResult> | undefined;

  /** Attaches, and follows the process from then on. The signal covers the attaching. */
  static async attach(target: AttachTarget, components: PodProcessComponents, options: AbortOptions): Promise<PodProcess> {
    const process = new PodProcess(target, components);
    try {
      const attachment = await disappears(target, () => process.#attach(target.from, options.signal));
      process.#end = process.#follow(attachment.facts.startedAt);
    } catch (error) {
      process.#release();
      throw error;
    }
    // It is told by `wait`; a host that never waits is not ended by it.
    process.#end.catch(() => undefined);
    return process;
  }

  private constructor(target: AttachTarget, components: PodProcessComponents) {
    const { io, podName, from } = target;
    this.id = target.processId;
    this.#target = target;
    this.#components = components;
    this.#stdout = new OutputSink('stdout', io.stdout);
    this.#stderr = new OutputSink('stderr', io.stderr);
    this.#sidecars = new SidecarLogs({ podName, writables: io.sidecars ?? {}, from: from === 'now' ? 'now' : 'start' }, components);
    this.#stdin = io.stdin === undefined ? undefined : new StdinBuffer(io.stdin);
  }

  async wait({ signal }: AbortOptions = {}): Promise<ProcessResult> {
    if (this.#end === undefined) throw new ClosedError(`process ${this.id}`);
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
    await this.#persist(() => this.#components.agent().signal(this.id, signal, options), options);
  }

  async resize(windowSize: WindowSize, options: AbortOptions = {}): Promise<void> {
    checkShape('windowSize', windowSizeShape, windowSize);
    checkWindowSize('windowSize', windowSize);
    await this.#persist(() => this.#components.agent().resize(this.id, windowSize, options), options);
  }

  position(): ProcessPosition {
    return this.#attachment?.position ?? { stdoutBytes: 0, stderrBytes: 0 };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#detached.abort(new ClosedError(`process ${this.id}`));
    this.#release();
    await this.#attachment?.detach();
    await this.#end?.catch(() => undefined);
  }

  async #attach(from: OutputPosition, signal: AbortSignal | undefined): Promise<Attachment> {
    const { agent, pods } = this.#components;
    // Above every attempt of a host that died: whoever came last types.
    this.#attempt = Math.max(this.#attempt + 1, this.#components.clock.now());
    const spec = { processId: this.id, from: offsets(from), stdin: this.#stdin !== undefined, attempt: this.#attempt };
    const deliver = (sink: OutputSink) => async (chunk: Uint8Array) => {
      this.#acknowledge(chunk.byteLength);
      await sink.deliver(chunk);
    };
    const sinks = { stdout: deliver(this.#stdout), stderr: deliver(this.#stderr) };
    const attachment = await pods.persist(this.#target.podName, () => agent().attach(spec, sinks, { signal }), { signal });
    this.#attachment = attachment;
    if (typeof from === 'object') {
      this.#noteFreed('stdout', from.stdoutBytes, attachment.facts.stdout);
      this.#noteFreed('stderr', from.stderrBytes, attachment.facts.stderr);
    }
    if (this.#stdin !== undefined) void this.#pumpStdin(attachment, this.#stdin);
    return attachment;
  }

  /** Output that was to come next and is there no more: what follows is delivered, and the gap is told. */
  #noteFreed(stream: 'stdout' | 'stderr', fromBytes: number, { from: toBytes }: OutputOffsets): void {
    if (toBytes <= fromBytes) return;
    const { handle } = this.#target;
    this.#freed.push({ stream, cause: new OutputFreedError({ handle, processId: this.id }, { stream, fromBytes, toBytes }) });
  }

  /** What the host's writables have taken the agent may forget, but for the last part, which it keeps for those who attach again. */
  #acknowledge(moreBytes: number): void {
    this.#unacknowledgedBytes += moreBytes;
    if (this.#attachment === undefined || this.#unacknowledgedBytes < acknowledgeEachBytes) return;
    this.#unacknowledgedBytes = 0;
    this.#attachment.acknowledgeDurable(this.#attachment.position);
  }

  /** Until the process has ended, through every lost connection, and with an eye on its pod. */
  async #follow(startedAt: Date): Promise<ProcessResult> {
    const { pods, clock, logger } = this.#components;
    const { podName, memoryLimits, hijack } = this.#target;
    const stop = new AbortController();
    const within = AbortSignal.any([stop.signal, this.#detached.signal]);
    const ends = new TerminationWatch({ pods, podName, since: startedAt, memoryLimits, clock, logger });
    const troubles = [pods.whenGone(podName, { signal: within }), ends.whenOutOfMemory({ signal: within })];
    for (const trouble of troubles) trouble.catch(() => undefined);
    const marked = hijack ? keepHijackMark(this.#target, this.#components, within) : undefined;
    this.#sidecars.follow(within);
    try {
      let result: AgentProcessResult;
      try {
        result = await Promise.race([this.#untilResult(within), ...troubles]);
        await Promise.all([this.#stdout.flush(), this.#stderr.flush(), this.#sidecars.settle()]);
        // A pod that is being deleted ends its commands by a signal: that is no result of theirs.
        if (result.signal !== undefined) await pods.requireAlive(podName, { signal: within });
      } catch (error) {
        return await this.#endedBefore(error, startedAt);
      }
      return await this.#conclude(result, ends, within);
    } finally {
      stop.abort();
      this.#release();
      void this.#attachment?.detach();
      await marked;
    }
  }

  async #untilResult(signal: AbortSignal): Promise<AgentProcessResult> {
    let attachment = this.#attachment;
    for (let retry = 0, deliveredBytes = 0; ; retry += 1) {
      if (attachment === undefined) throw new ClosedError(`process ${this.id}`);
      try {
        return await attachment.result;
      } catch (error) {
        signal.throwIfAborted();
        if (!isRetryable(error) && !(error instanceof OutputFreedError)) throw error;
        const { stdoutBytes, stderrBytes } = attachment.position;
        if (stdoutBytes + stderrBytes > deliveredBytes) retry = 0;
        deliveredBytes = stdoutBytes + stderrBytes;
        if (retry > 0) await this.#components.clock.sleep(backoffMs(retry, reattachBackoff), { signal });
        this.#components.logger.info('attaching again', { handle: this.#target.handle, processId: this.id, error });
        attachment = await this.#attach(attachment.position, signal);
      }
    }
  }

  /** Stores the result, then tells it: once told it must not be lost again, so while the database does not answer nobody is told. The agent keeps it. */
  async #conclude(result: AgentProcessResult, ends: TerminationWatch, signal: AbortSignal): Promise<ProcessResult> {
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
    if (this.#stdinFailure !== undefined) throw this.#stdinFailure.cause;
    const failures = [this.#stdout.failure, this.#stderr.failure].filter((failure) => failure !== undefined);
    const cut = result.outputCut ? [this.#cut()] : [];
    const undelivered = [...this.#freed, ...cut, ...failures, ...this.#sidecars.undelivered];
    return {
      ...outcomeOf(result, () => this.#outOfMemory()),
      ...(undelivered.length === 0 ? {} : { undelivered }),
      ...(sidecarEnds.length === 0 ? {} : { sidecarEnds }),
    };
  }

  #cut(): UndeliveredOutput {
    const subject = `the end of the output of process ${this.id} in container ${this.#target.handle}`;
    return { stream: 'stdout', cause: new OutcomeUnknownError(subject, 'the container was killed before all of it was read') };
  }

  async #record({ exitStatus, signal: number, oomKills }: AgentProcessResult, properties: Properties, signal: AbortSignal): Promise<void> {
    const { containers, pods } = this.#components;
    const { handle } = this.#target;
    // Whatever becomes of the pod meanwhile: the result is known.
    await pods.retry(() => containers.recordProcessResult(handle, this.id, { exitStatus, signal: number, oomKills }, { properties, signal }), {
      signal,
    });
  }

  /** Somebody else may have seen the end before the pod went; else what became of the pod is the answer. */
  async #endedBefore(error: unknown, startedAt: Date): Promise<ProcessResult> {
    const { containers, pods } = this.#components;
    const { handle, podName } = this.#target;
    if (error instanceof PodError) {
      const stored = await containers.findProcessResult(handle, this.id);
      if (stored !== undefined) return outcomeOf(stored, () => this.#outOfMemory());
    }
    if (error instanceof OutcomeUnknownError) {
      const limitBytes = this.#target.memoryLimits.get(mainContainerName);
      const killed = await pods.findMemoryKill(podName, { since: startedAt, limitBytes, signal: this.#detached.signal }).catch(() => undefined);
      if (killed !== undefined) throw killed;
    }
    throw error;
  }

  #outOfMemory(): PodError {
    const containerName = mainContainerName;
    return this.#components.pods.outOfMemory(this.#target.podName, { containerName, limitBytes: this.#target.memoryLimits.get(containerName) });
  }

  /** Sends what the agent does not have yet; ends with the attachment, whose result tells why. */
  async #pumpStdin(attachment: Attachment, stdin: StdinBuffer): Promise<void> {
    const start = attachment.facts.stdin;
    if (start === undefined || start.ended) return;
    if (this.#target.stdinFrom === 'here' && !this.#feedsStdin) stdin.beginAt(start.from);
    this.#feedsStdin = true;
    stdin.acknowledge(start.from);
    for (let offset = start.from; ; ) {
      const piece = await stdin.pieceAt(offset).catch((cause: unknown) => {
        this.#failStdin(attachment, cause);
      });
      if (piece === undefined || attachment !== this.#attachment) return;
      try {
        if ('endAt' in piece) {
          await attachment.endStdin();
          return;
        }
        await attachment.sendStdin(piece.bytes);
        offset += piece.bytes.byteLength;
        stdin.acknowledge(attachment.stdinAcknowledged);
      } catch {
        return;
      }
    }
  }

  /** Half an input must not look like a whole one: the command is stopped, and `wait` rejects with what the host's stream failed with. */
  #failStdin(attachment: Attachment, cause: unknown): void {
    this.#stdinFailure ??= { cause };
    if (attachment === this.#attachment) attachment.stop(stopGraceMs);
  }

  /** Output goes on meanwhile. Bounded, whatever the process or the connection does. */
  async #stop(): Promise<void> {
    const { agent, clock, logger } = this.#components;
    const enough = new AbortController();
    const { signal } = enough;
    const stopping = this.#persist(() => agent().stop(this.id, stopGraceMs, { signal }), { signal });
    stopping.catch((error: unknown) => logger.warn('process not stopped', { handle: this.#target.handle, processId: this.id, error }));
    const ended = this.#end?.catch(() => undefined);
    await Promise.race([Promise.all([ended, stopping.catch(() => undefined)]), clock.sleep(stopGraceMs + stopPatienceMs, { signal })]);
    enough.abort();
  }

  async #persist<T>(work: () => Promise<T>, { signal }: AbortOptions): Promise<T> {
    return await this.#components.pods.persist(this.#target.podName, work, { signal });
  }

  #release(): void {
    this.#stdout.release();
    this.#stderr.release();
    this.#sidecars.release();
    this.#stdin?.release();
  }
}

function offsets(from: OutputPosition): { stdout: number | 'now'; stderr: number | 'now' } {
  if (from === 'start') return { stdout: 0, stderr: 0 };
  if (from === 'now') return { stdout: 'now', stderr: 'now' };
  return { stdout: from.stdoutBytes, stderr: from.stderrBytes };
}
