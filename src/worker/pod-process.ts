import type { AgentClient } from '../agent/agent-client.ts';
import { AgentFailure } from '../agent/agent-error.ts';
import type { Attachment } from '../agent/attachment.ts';
import type { AgentProcessResult } from '../agent/process-result.ts';
import { ClosedError } from '../errors/caller.ts';
import { isRetryable } from '../errors/error-code.ts';
import { PodError } from '../errors/pod.ts';
import { OutcomeUnknownError } from '../errors/process.ts';
import { abortable } from '../internal/abort.ts';
import { backoffMs } from '../internal/backoff.ts';
import type { PodSupervisor } from '../pods/pod-supervisor.ts';
import type { ContainerRepository } from '../repository/container-repository.ts';
import type { AbortOptions, Clock, Logger } from '../runtime/options.ts';
import type { OutputPosition, Process, ProcessIO, ProcessPosition, ProcessResult, WindowSize } from '../runtime/process.ts';
import { OutputSink } from './output-sink.ts';
import { checkWindowSize } from './process-spec.ts';
import { disappears, type ProcessTarget } from './start-process.ts';
import { StdinBuffer } from './stdin-buffer.ts';

/** What to attach to, and how. */
export interface AttachTarget extends ProcessTarget {
  /** Whether the host's stdin is the command's from its first byte (`run`, also of an id that was started before), or what comes next (`attach`). */
  readonly stdinFrom: 'start' | 'here';
  readonly io: ProcessIO;
  readonly from: OutputPosition;
  readonly memoryLimitBytes: number | undefined;
}

export interface PodProcessComponents {
  readonly containers: ContainerRepository;
  readonly agent: () => AgentClient;
  readonly pods: PodSupervisor;
  readonly clock: Clock;
  readonly logger: Logger;
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
  readonly #stdin: StdinBuffer | undefined;
  readonly #detached = new AbortController();
  #attachment: Attachment | undefined;
  #attempt = 0;
  #unacknowledgedBytes = 0;
  #stdinFailure: { readonly cause: unknown } | undefined;
  #end: Promise<ProcessResult> | undefined;

  /** Attaches, and follows the process from then on. The signal covers the attaching. */
  static async attach(target: AttachTarget, components: PodProcessComponents, options: AbortOptions): Promise<PodProcess> {
    const process = new PodProcess(target, components);
    try {
      await disappears(target, () => process.#attach(target.from, options.signal));
    } catch (error) {
      process.#release();
      throw error;
    }
    process.#end = process.#follow();
    // It is told by `wait`; a host that never waits is not ended by it.
    process.#end.catch(() => undefined);
    return process;
  }

  private constructor(target: AttachTarget, components: PodProcessComponents) {
    this.id = target.processId;
    this.#target = target;
    this.#components = components;
    this.#stdout = new OutputSink('stdout', target.io.stdout);
    this.#stderr = new OutputSink('stderr', target.io.stderr);
    this.#stdin = target.io.stdin === undefined ? undefined : new StdinBuffer(target.io.stdin);
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
    await this.#persist(() => this.#components.agent().signal(this.id, signal, options), options);
  }

  async resize(windowSize: WindowSize, options: AbortOptions = {}): Promise<void> {
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
    this.#attempt += 1;
    const spec = { processId: this.id, from: offsets(from), stdin: this.#stdin !== undefined, attempt: this.#attempt };
    const deliver = (sink: OutputSink) => async (chunk: Uint8Array) => {
      this.#acknowledge(chunk.byteLength);
      await sink.deliver(chunk);
    };
    const sinks = { stdout: deliver(this.#stdout), stderr: deliver(this.#stderr) };
    const attachment = await pods.persist(this.#target.podName, () => agent().attach(spec, sinks, { signal }), { signal });
    this.#attachment = attachment;
    if (this.#stdin !== undefined) void this.#pumpStdin(attachment, this.#stdin);
    return attachment;
  }

  /** What the host's writables have taken the agent may forget, but for the last part, which it keeps for those who attach again. */
  #acknowledge(moreBytes: number): void {
    this.#unacknowledgedBytes += moreBytes;
    if (this.#attachment === undefined || this.#unacknowledgedBytes < acknowledgeEachBytes) return;
    this.#unacknowledgedBytes = 0;
    this.#attachment.acknowledgeDurable(this.#attachment.position);
  }

  /** Until the process has ended, through every lost connection; its result is stored before anybody is told. */
  async #follow(): Promise<ProcessResult> {
    const stop = new AbortController();
    const within = AbortSignal.any([stop.signal, this.#detached.signal]);
    const gone = this.#components.pods.whenGone(this.#target.podName, { signal: within });
    gone.catch(() => undefined);
    try {
      const result = await Promise.race([this.#untilResult(within), gone]);
      await Promise.all([this.#stdout.flush(), this.#stderr.flush()]);
      // A pod that is being deleted ends its commands by a signal: that is no result of theirs.
      if (result.signal !== undefined) await this.#components.pods.requireAlive(this.#target.podName, { signal: within });
      const told = this.#tell(result);
      await this.#record(result, within);
      return told;
    } catch (error) {
      return await this.#endedBefore(error);
    } finally {
      stop.abort();
      this.#release();
      void this.#attachment?.detach();
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
        if (!isRetryable(error)) throw error;
        const { stdoutBytes, stderrBytes } = attachment.position;
        if (stdoutBytes + stderrBytes > deliveredBytes) retry = 0;
        deliveredBytes = stdoutBytes + stderrBytes;
        if (retry > 0) await this.#components.clock.sleep(backoffMs(retry, reattachBackoff), { signal });
        this.#components.logger.info('attaching again', { handle: this.#target.handle, processId: this.id, error });
        attachment = await this.#attach(attachment.position, signal);
      }
    }
  }

  /** Once told, a result must not be lost again: while the database does not answer, nobody is told. The agent keeps it. */
  async #record({ exitStatus, signal: number }: AgentProcessResult, signal: AbortSignal): Promise<void> {
    const { containers, pods } = this.#components;
    const { handle } = this.#target;
    // Whatever becomes of the pod meanwhile: the result is known.
    await pods.retry(() => containers.recordProcessResult(handle, this.id, { exitStatus, signal: number, oomKills: undefined }, { signal }), {
      signal,
    });
  }

  #tell({ exitStatus, signal, oomKills }: AgentProcessResult): ProcessResult {
    const { podName, memoryLimitBytes } = this.#target;
    if (this.#stdinFailure !== undefined) throw this.#stdinFailure.cause;
    if (oomKills > 0 && exitStatus === 137) throw this.#components.pods.outOfMemory(podName, memoryLimitBytes);
    const undelivered = [this.#stdout.failure, this.#stderr.failure].filter((failure) => failure !== undefined);
    return { exitStatus, ...(signal === undefined ? {} : { signal }), ...(undelivered.length === 0 ? {} : { undelivered }) };
  }

  /** Somebody else may have seen the end before the pod went; else what became of the pod is the answer. */
  async #endedBefore(error: unknown): Promise<ProcessResult> {
    const { containers, pods } = this.#components;
    const { handle, podName, memoryLimitBytes } = this.#target;
    if (error instanceof PodError) {
      const stored = await containers.findProcessResult(handle, this.id);
      if (stored !== undefined)
        return stored.signal === undefined ? { exitStatus: stored.exitStatus } : { exitStatus: stored.exitStatus, signal: stored.signal };
    }
    if (error instanceof OutcomeUnknownError) {
      const kills = error.cause instanceof AgentFailure ? (error.cause.facts.oomKills ?? 0) : 0;
      const killed = kills > 0 ? pods.outOfMemory(podName, memoryLimitBytes) : await pods.findMemoryKill(podName, memoryLimitBytes);
      if (killed !== undefined) throw killed;
    }
    throw error;
  }

  /** Sends what the agent does not have yet; ends with the attachment, whose result tells why. */
  async #pumpStdin(attachment: Attachment, stdin: StdinBuffer): Promise<void> {
    const start = attachment.facts.stdin;
    if (start === undefined || start.ended) return;
    if (this.#target.stdinFrom === 'here' && this.#attempt === 1) stdin.beginAt(start.from);
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
    this.#stdin?.release();
  }
}

function offsets(from: OutputPosition): { stdout: number | 'now'; stderr: number | 'now' } {
  if (from === 'start') return { stdout: 0, stderr: 0 };
  if (from === 'now') return { stdout: 'now', stderr: 'now' };
  return { stdout: from.stdoutBytes, stderr: from.stderrBytes };
}
