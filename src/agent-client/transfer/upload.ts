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
import { type TransferResult, watchProgress } from './transfer-progress.ts';
import type { UploadFeed, UploadSink } from './upload-feed.ts';
import { type OutgoingFrame, UploadOutbox } from './upload-outbox.ts';

/** What an upload has led to. */
export interface UploadResult extends TransferResult {
  /** Bytes of the files' content. */
  readonly expandedBytes: number;
}

/** The host's side of `receive`: sends a tar archive within the agent's window, over as many connections as it takes, and proves it. */
export class Upload extends ResumableOperation implements UploadSink {
  readonly #facts: TransferFacts;
  readonly #feed: UploadFeed;
  readonly #interrupter = new Interrupter();
  readonly #window = new SendWindow(0);
  readonly #outbox = new UploadOutbox(() => this.touch());
  readonly #progress: SilenceWatch;
  #isConnected = false;
  #waitsForSource = false;
  /** Of all that the feed gave, once it has ended. */
  #sha256: string | undefined;
  #result: UploadResult | undefined;

  constructor(components: ResumableComponents, facts: TransferFacts, feed: UploadFeed) {
    super(components);
    this.#facts = facts;
    this.#feed = feed;
    this.#progress = watchProgress(
      components.settings,
      () => this.facts(),
      (error) => {
        // Without a connection another budget counts.
        if (this.#isConnected && !this.#isSourceSilent) this.fail(error);
      },
    );
  }

  override facts(): TransferFacts {
    return { ...this.#facts, bytes: this.#window.acknowledged };
  }

  /** Whether the agent may have committed it, although nobody has heard so. */
  get mayBeCommitted(): boolean {
    return this.#outbox.isEndSent && this.#result === undefined;
  }

  /**
   * Sends all that the feed gives, and resolves when the agent has committed it. Rejects with what the feed fails with, what stopped it, an `AgentFailure` or
   * a `LostConnection`; the agent's operation is over then. An answer that comes in spite of a stop counts.
   */
  async run(): Promise<UploadResult> {
    try {
      const end = await this.#feed.give(this);
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
    if (frame.acknowledged > this.#window.acknowledged) this.moved();
    this.#window.update(frame);
    this.#outbox.acknowledge(frame.acknowledged);
    this.touch();
  }

  override progress(): void {
    this.touch();
  }

  /** The source gives nothing, and the agent has nothing to say to what it has got. */
  get #isSourceSilent(): boolean {
    return this.#waitsForSource && !this.#window.isOwed;
  }

  protected override get canBeginAnew(): boolean {
    return this.#outbox.begin === 0;
  }

  protected override onOpened(fields: Fields): void {
    this.#isConnected = true;
    this.touch();
    const isEnded = fields.optional('ended', (from) => from.boolean('ended')) ?? false;
    this.#outbox.goOn(this.channel, { from: fields.count('from'), isEnded, takesProof: this.protocol >= PROVEN_SINCE });
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
      bytes: fields.count('bytes'),
      sha256: fields.string('sha256'),
      entries: fields.count('entries'),
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
