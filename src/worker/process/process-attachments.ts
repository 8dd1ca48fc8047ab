import type { AgentClient } from '../../agent-client/agent-client.ts';
import type { Attachment, AttachOpened, AttachSinks, OutputOffsets } from '../../agent-client/process/attachment.ts';
import type { AgentProcessResult } from '../../agent-client/process/process-result.ts';
import { isRetryable } from '../../errors/error-code.ts';
import { OutputFreedError } from '../../errors/process.ts';
import type { PodSupervisor } from '../../pods/pod-supervisor.ts';
import { callBackoff } from '../../retry/backoff.ts';
import { RetryPace } from '../../retry/retry-pace.ts';
import type { Clock, Logger } from '../../runtime/options.ts';
import type { OutputPosition, ProcessIO, ProcessPosition, UndeliveredOutput } from '../../runtime/process.ts';
import { ChunkSink } from '../output/chunk-sink.ts';
import { OutputSink } from '../output/output-sink.ts';
import type { ProcessOutputSink } from '../output/process-output-sink.ts';
import { DiskFullWatch } from './disk-full-watch.ts';
import type { ProcessTarget } from './start-process.ts';
import { StdinBuffer } from './stdin-buffer.ts';
import { StdinFeeder } from './stdin-feeder.ts';

export interface ProcessAttachmentsOptions {
  readonly target: ProcessTarget;
  readonly io: ProcessIO;
  readonly from: OutputPosition;
  readonly stdinFrom: 'start' | 'here';
  /** Whether the attachments acknowledge nothing and stop nothing. @defaultValue false */
  readonly observe?: boolean | undefined;
  /** Called when the process must be stopped: its stdin is incomplete, or its disk stays full. */
  readonly failed: (cause: unknown) => void;
}

export interface AttachmentComponents {
  readonly agent: () => AgentClient;
  readonly pods: PodSupervisor;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** How long a stopped process may run before it is killed. */
export const stopGraceMs = 10_000;
/**
 * How many bytes of output are delivered between two acknowledgements. A command blocks eventually
 * if its output is not acknowledged.
 */
const acknowledgeEachBytes = 8 * 1024 * 1024;

/**
 * The successive attachments of one process. After a lost attachment the next continues at the
 * offsets that were reached. All of them use one place among the attachments of the agent's client.
 */
export class ProcessAttachments {
  readonly #options: ProcessAttachmentsOptions;
  readonly #components: AttachmentComponents;
  readonly #stdout: ProcessOutputSink;
  readonly #stderr: ProcessOutputSink;
  readonly #stdin: StdinBuffer | undefined;
  readonly #feeder: StdinFeeder | undefined;
  readonly #disk: DiskFullWatch;
  readonly #freed: UndeliveredOutput[] = [];
  #releasePlace: (() => void) | undefined;
  #isReleased = false;
  #attachment: Attachment | undefined;
  #attempt = 0;
  #acknowledgedBytes = 0;
  #isStopping = false;

  constructor(options: ProcessAttachmentsOptions, components: AttachmentComponents) {
    const { io, stdinFrom, target, failed } = options;
    this.#options = options;
    this.#components = components;
    this.#stdout = sinkOf('stdout', io);
    this.#stderr = sinkOf('stderr', io);
    this.#stdin = io.stdin === undefined ? undefined : new StdinBuffer(io.stdin);
    this.#feeder = this.#stdin === undefined ? undefined : new StdinFeeder({ stdin: this.#stdin, stdinFrom, failed });
    this.#disk = new DiskFullWatch({ ...target, clock: components.clock, logger: components.logger, failed });
  }

  /** The offsets up to which output was delivered. */
  get position(): ProcessPosition {
    const { from } = this.#options;
    return this.#attachment?.position ?? (typeof from === 'object' ? from : { stdoutBytes: 0, stderrBytes: 0 });
  }

  /** Whether an attachment was ever open. */
  get hasBegun(): boolean {
    return this.#attachment !== undefined;
  }

  /** The protocol version of the last attachment. */
  get protocol(): number {
    return this.#attachment?.protocol ?? 0;
  }

  /** The output that did not reach the host. */
  get undelivered(): readonly UndeliveredOutput[] {
    return [...this.#freed, ...[this.#stdout.failure, this.#stderr.failure].filter((failure) => failure !== undefined)];
  }

  /** Opens the first attachment. Waits for a place, then for the agent's acceptance. */
  async begin(signal: AbortSignal | undefined): Promise<AttachOpened> {
    const { agent, pods } = this.#components;
    const releasePlace = await pods.persist(this.#options.target.podName, () => agent().attachmentPlace({ signal }), {
      signal,
    });
    if (this.#isReleased) releasePlace();
    else this.#releasePlace = releasePlace;
    return (await this.#attach(this.#options.from, signal)).facts;
  }

  /**
   * Resolves when the process has ended and its output was written to the host's writables.
   * Attaches again after each lost connection: at once, unless the attachment was itself a retry
   * that delivered no output.
   */
  async untilResult(signal: AbortSignal): Promise<AgentProcessResult> {
    const pace = new RetryPace({ clock: this.#components.clock, backoff: callBackoff });
    for (let deliveredBytes = -1; ; ) {
      try {
        return await this.#current.result;
      } catch (error) {
        signal.throwIfAborted();
        if (!isRetryable(error) && !(error instanceof OutputFreedError)) throw error;
        const { stdoutBytes, stderrBytes } = this.position;
        if (stdoutBytes + stderrBytes > deliveredBytes) pace.renew();
        else await pace.wait(error, { signal });
        deliveredBytes = stdoutBytes + stderrBytes;
        const { handle, processId } = this.#options.target;
        this.#components.logger.info('attaching again', { handle, processId, error });
        await this.#attach(this.position, signal);
      }
    }
  }

  /**
   * Resolves when all writes to the host's writables have completed, or the writables have failed.
   */
  async flush(): Promise<void> {
    await Promise.all([this.#stdout.flush(), this.#stderr.flush()]);
  }

  /**
   * Sends TERM to the process's group, and KILL after the grace period. Later attachments repeat
   * the stop. Output and result are still delivered.
   */
  stop(): void {
    this.#isStopping = true;
    this.#attachment?.stop(stopGraceMs);
  }

  /** Stops the delivery of output. Resolves when `position` is final. The command continues. */
  async detach(): Promise<void> {
    this.#feeder?.stop();
    this.#disk.end();
    await this.#attachment?.detach();
  }

  /** Releases the host's streams and the place. Idempotent. */
  release(): void {
    this.#isReleased = true;
    this.#releasePlace?.();
    this.#disk.end();
    this.#feeder?.stop();
    this.#stdout.release();
    this.#stderr.release();
    this.#stdin?.release();
  }

  get #current(): Attachment {
    if (this.#attachment === undefined) throw new Error('the process was not attached to');
    return this.#attachment;
  }

  async #attach(from: OutputPosition, signal: AbortSignal | undefined): Promise<Attachment> {
    const { agent, pods, clock } = this.#components;
    const { processId, podName } = this.#options.target;
    // The agent reports on each attachment whether its disk is full.
    this.#disk.end();
    // Higher than every attempt of a host that died, so that the latest attachment owns stdin.
    this.#attempt = Math.max(this.#attempt + 1, clock.now());
    const spec = { processId, from: offsets(from), stdin: this.#stdin !== undefined, attempt: this.#attempt };
    const attachment = await pods.persist(
      podName,
      () => agent().attach(spec, this.#sinks(), { signal, hasPlace: true }),
      { signal },
    );
    this.#attachment = attachment;
    this.#acknowledgedBytes = attachment.facts.stdout.from + attachment.facts.stderr.from;
    if (typeof from === 'object') {
      this.#noteFreed('stdout', from.stdoutBytes, attachment.facts.stdout);
      this.#noteFreed('stderr', from.stderrBytes, attachment.facts.stderr);
    }
    if (this.#isStopping) attachment.stop(stopGraceMs);
    if (this.#disk.isFull) this.#acknowledge(attachment);
    return attachment;
  }

  #sinks(): AttachSinks {
    return {
      stdout: (chunk, offset) => this.#stdout.deliver(chunk, offset),
      stderr: (chunk, offset) => this.#stderr.deliver(chunk, offset),
      delivered: (attachment) => this.#onDelivered(attachment),
      stdin: (attachment, turn) => this.#feeder?.onTurn(attachment, turn),
      diskFull: (isFull) => {
        if (isFull && this.#options.observe !== true) this.#disk.begin();
        else this.#disk.end();
        if (this.#attachment !== undefined) this.#acknowledge(this.#attachment);
      },
    };
  }

  /**
   * Reports a gap: the agent has freed the output that comes next. The output after the gap is
   * delivered.
   */
  #noteFreed(stream: 'stdout' | 'stderr', fromBytes: number, { from: toBytes }: OutputOffsets): void {
    if (toBytes <= fromBytes) return;
    const { handle, processId } = this.#options.target;
    this.#freed.push({ stream, cause: new OutputFreedError({ handle, processId }, { stream, fromBytes, toBytes }) });
  }

  /**
   * Acknowledges delivered output, so that the agent may free it, except for the last part, which
   * the agent keeps for later attachments.
   */
  #onDelivered(attachment: Attachment): void {
    this.#disk.progressed();
    const { stdoutBytes, stderrBytes } = attachment.position;
    if (this.#disk.isFull || stdoutBytes + stderrBytes - this.#acknowledgedBytes >= acknowledgeEachBytes)
      this.#acknowledge(attachment);
  }

  #acknowledge(attachment: Attachment): void {
    if (this.#options.observe === true) return;
    const { position } = attachment;
    this.#acknowledgedBytes = position.stdoutBytes + position.stderrBytes;
    attachment.acknowledgeDurable(position);
  }
}

function sinkOf(stream: 'stdout' | 'stderr', { output, ...writables }: ProcessIO): ProcessOutputSink {
  return output === undefined ? new OutputSink(stream, writables[stream]) : new ChunkSink(stream, output);
}

function offsets(from: OutputPosition): { stdout: number | 'now'; stderr: number | 'now' } {
  if (from === 'start') return { stdout: 0, stderr: 0 };
  if (from === 'now') return { stdout: 'now', stderr: 'now' };
  return { stdout: from.stdoutBytes, stderr: from.stderrBytes };
}
