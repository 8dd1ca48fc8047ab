import { ProtocolViolationError } from '../../errors/connection.ts';
import { DigestMismatchError, type TransferFacts } from '../../errors/transfer.ts';
import { Interrupter } from '../../internal/interrupter.ts';
import type { SilenceWatch } from '../../internal/silence-watch.ts';
import { PROVEN_SINCE } from '../session/agent-hello.ts';
import { type AgentFailure, type LostConnection, transferFailure } from '../wire/agent-error.ts';
import type { Fields } from '../wire/control.ts';
import type { WindowFrame } from '../wire/frame.ts';
import { SendWindow } from '../wire/send-window.ts';
import { type ResumableComponents, ResumableOperation } from './resumable-operation.ts';
import { readTransferResult, type TransferResult, watchProgress } from './transfer-progress.ts';
import type { UploadFeed, UploadSink } from './upload-feed.ts';
import { type OutgoingFrame, UploadOutbox } from './upload-outbox.ts';

/** The result of an upload. */
export interface UploadResult extends TransferResult {
  /** The total size of the files' content. */
  readonly expandedBytes: number;
}

/**
 * The host's side of `receive`: sends a tar archive within the agent's window, over any number of
 * connections, and verifies the agent's digest.
 */
export class Upload extends ResumableOperation implements UploadSink {
  readonly #facts: TransferFacts;
  readonly #feed: UploadFeed;
  readonly #received: ((rawBytes: number) => void) | undefined;
  readonly #interrupter = new Interrupter();
  readonly #window = new SendWindow(0);
  readonly #outbox = new UploadOutbox(() => this.touch());
  readonly #progress: SilenceWatch;
  #isConnected = false;
  #waitsForSource = false;
  /** The SHA-256 of all raw bytes, once the feed has ended. */
  #sha256: string | undefined;
  #result: UploadResult | undefined;

  /** @param received - called with the number of raw bytes that the agent has processed */
  constructor(
    components: ResumableComponents,
    facts: TransferFacts,
    feed: UploadFeed,
    received?: (rawBytes: number) => void,
  ) {
    super(components);
    this.#received = received;
    this.#facts = facts;
    this.#feed = feed;
    this.#progress = watchProgress(
      components.settings,
      () => this.facts(),
      (error) => {
        // Without a connection the retry budget applies.
        if (this.#isConnected && !this.#isSourceSilent) this.fail(error);
      },
    );
  }

  override facts(): TransferFacts {
    return { ...this.#facts, bytes: this.#window.acknowledged };
  }

  /** Whether the agent may have committed the upload without a received RESULT. */
  get mayBeCommitted(): boolean {
    return this.#outbox.isEndSent && this.#result === undefined;
  }

  /**
   * Sends all frames of the feed. Resolves when the agent has committed the upload. Rejects with
   * the feed's error, the reason of `fail`, an `AgentFailure` or a `LostConnection`, after the
   * agent's operation has ended. A RESULT that arrives in spite of `fail` counts.
   */
  async run(): Promise<UploadResult> {
    try {
      const end = await this.#feed.sendTo(this);
      this.#sha256 = end.digest.toString('hex');
      this.#outbox.end(end);
      await this.#interrupter.wait(this.answer);
    } catch (error) {
      this.fail(error);
      this.#feed.stop(transferFailure(error, this.facts()));
      await this.cancel();
      if (this.#result === undefined) throw error;
    } finally {
      this.#progress.stop();
    }
    if (this.#result === undefined) throw new Error('the agent answered without a result');
    return this.#result;
  }

  get reserved(): number {
    return this.#window.sent;
  }

  async reserve(want: number): Promise<number> {
    return await this.#window.reserve(want);
  }

  async reserveWhole(bytes: number): Promise<void> {
    await this.#window.reserveWhole(bytes);
  }

  add(frame: OutgoingFrame): Promise<void> | undefined {
    return this.#outbox.add(frame);
  }

  async wait<T>(promise: PromiseLike<T>): Promise<T> {
    return await this.#interrupter.wait(promise);
  }

  async waitForSource<T>(promise: PromiseLike<T>): Promise<T> {
    this.#waitsForSource = true;
    try {
      return await this.wait(promise);
    } finally {
      this.#waitsForSource = false;
      this.touch();
    }
  }

  touch(): void {
    this.#progress.touch();
  }

  /** Makes `run` reject with the reason. */
  fail(reason: unknown): void {
    this.#interrupter.interrupt(reason);
    this.#window.fail(reason);
  }

  override window(frame: WindowFrame): void {
    if (frame.stream !== 0) super.window(frame);
    const hasMoved = frame.acknowledged > this.#window.acknowledged;
    if (hasMoved) this.moved();
    this.#window.update(frame);
    if (hasMoved) this.#received?.(frame.acknowledged);
    this.#outbox.acknowledge(frame.acknowledged);
    this.touch();
  }

  override progress(): void {
    this.touch();
  }

  /** Whether the source is pausing while the agent has no acknowledgement to send. */
  get #isSourceSilent(): boolean {
    return this.#waitsForSource && !this.#window.isAcknowledgementDue;
  }

  protected override get canRestart(): boolean {
    return this.#outbox.begin === 0;
  }

  protected override onOpened(fields: Fields): void {
    this.#isConnected = true;
    this.touch();
    const isEnded = fields.optional('ended', (from) => from.boolean('ended')) ?? false;
    this.#outbox.resume(this.channel, {
      from: fields.count('from'),
      isEnded,
      takesProof: this.protocol >= PROVEN_SINCE,
    });
  }

  protected override onDisconnected(): void {
    this.#isConnected = false;
    this.#outbox.disconnect();
  }

  protected override onResult(fields: Fields): void {
    const sha256 = this.#sha256;
    if (sha256 === undefined || !this.#outbox.isEndSent)
      throw new ProtocolViolationError('RESULT of an upload that has not ended');
    const result: UploadResult = {
      ...readTransferResult(fields),
      expandedBytes: fields.count('expandedBytes'),
    };
    if (result.bytes !== this.#window.sent || result.sha256 !== sha256)
      throw new DigestMismatchError(
        this.facts(),
        `${this.#window.sent} bytes with SHA-256 ${sha256} were sent, the agent has ${result.bytes} with ${result.sha256.slice(0, 64)}`,
      );
    this.#result = result;
  }

  protected override onOver(error: AgentFailure | LostConnection | undefined): void {
    if (error !== undefined) this.fail(error);
    this.#progress.stop();
  }
}
