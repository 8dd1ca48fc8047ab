import { createHash, type Hash } from 'node:crypto';

import { InvalidSpecError } from '../errors/caller.ts';
import { ProtocolViolationError } from '../errors/connection.ts';
import { DigestMismatchError, type TransferFacts } from '../errors/transfer.ts';
import { InOrder } from '../internal/in-order.ts';
import { Interrupter } from '../internal/interrupter.ts';
import type { SilenceWatch } from '../internal/silence-watch.ts';
import { type AgentFailure, type LostConnection, transferFailure } from './agent-error.ts';
import { ByteQueue } from './byte-queue.ts';
import type { Fields } from './control.ts';
import { DataCompressor } from './data-compression.ts';
import { MAX_DATA_BYTES, type WindowFrame } from './frame.ts';
import { type ResumableComponents, ResumableOperation } from './resumable-operation.ts';
import { SendWindow } from './send-window.ts';
import { type TransferResult, watchProgress } from './transfer-progress.ts';
import { type OutgoingFrame, UploadOutbox } from './upload-outbox.ts';

/** How many frames are compressed at once. */
const CONCURRENCY = 4;

/** What an upload has led to. */
export interface UploadResult extends TransferResult {
  /** Bytes of the files' content. */
  readonly expandedBytes: number;
}

/** The host's side of `receive`: sends a tar archive within the agent's window, over as many connections as it takes, and proves it. */
export class Upload extends ResumableOperation {
  readonly #facts: TransferFacts;
  readonly #interrupter = new Interrupter();
  readonly #window = new SendWindow(0);
  readonly #queue = new ByteQueue();
  readonly #hash: Hash = createHash('sha256');
  readonly #compressor = new DataCompressor();
  readonly #outbox = new UploadOutbox(() => this.#progress.touch());
  readonly #frames: InOrder<OutgoingFrame> = new InOrder({
    concurrency: CONCURRENCY,
    take: (frame) => this.#outbox.add(frame),
    failed: (error) => {
      this.#stop(error);
    },
  });
  readonly #progress: SilenceWatch;
  #isConnected = false;
  /** Of all that the source gave, once it has ended. */
  #sha256: string | undefined;
  #result: UploadResult | undefined;

  constructor(components: ResumableComponents, facts: TransferFacts) {
    super(components);
    this.#facts = facts;
    this.#progress = watchProgress(
      components.settings,
      () => this.facts(),
      (error) => {
        // Without a connection another budget counts.
        if (this.#isConnected) this.#stop(error);
      },
    );
  }

  /** Where it is. */
  facts(): TransferFacts {
    return { ...this.#facts, bytes: this.#window.acknowledged };
  }

  /** Whether the agent may have committed it, although nobody has heard so. */
  get mayBeCommitted(): boolean {
    return this.#outbox.isEndSent && this.#result === undefined;
  }

  /**
   * Sends all that the source gives, and resolves when the agent has committed it. Rejects with what the source fails with, what stopped it, an `AgentFailure` or
   * a `LostConnection`; the source is then ended, and the agent's operation is over. An answer that comes in spite of a stop counts.
   */
  async run(source: AsyncIterable<Uint8Array>): Promise<UploadResult> {
    try {
      await this.#pump(source);
      await this.#interrupter.wait(this.answer);
    } catch (error) {
      this.#stop(error);
      await this.cancel();
      if (this.#result === undefined) throw error;
    } finally {
      this.#progress.stop();
    }
    if (this.#result === undefined) throw new Error('the agent answered without a result');
    return this.#result;
  }

  /** Makes `run` reject with the reason. */
  stop(reason: unknown): void {
    this.#stop(reason);
  }

  override window(frame: WindowFrame): void {
    if (frame.stream !== 0) super.window(frame);
    if (frame.acknowledged > this.#window.acknowledged) this.moved();
    this.#window.update(frame);
    this.#outbox.acknowledge(frame.acknowledged);
    this.#progress.touch();
  }

  override progress(): void {
    this.#progress.touch();
  }

  protected override get canBeginAnew(): boolean {
    return this.#outbox.begin === 0;
  }

  protected override onOpened(fields: Fields): void {
    this.#isConnected = true;
    this.#progress.touch();
    this.#outbox.goOn(this.channel, fields.count('from'), fields.optional('ended', (from) => from.boolean('ended')) ?? false);
  }

  protected override onDisconnected(): void {
    this.#isConnected = false;
    this.#outbox.disconnect();
  }

  protected override onResult(fields: Fields): void {
    const sha256 = this.#sha256;
    if (sha256 === undefined || !this.#outbox.isEndSent) throw new ProtocolViolationError('RESULT of an upload that has not ended');
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
    if (error !== undefined) this.#stop(error);
    this.#progress.stop();
  }

  async #pump(source: AsyncIterable<Uint8Array>): Promise<void> {
    const iterator = source[Symbol.asyncIterator]();
    try {
      for (;;) {
        const next = await this.#interrupter.wait(iterator.next());
        if (next.done === true) break;
        await this.#add(next.value);
      }
    } catch (error) {
      endSource(source, transferFailure(error, this.facts()), iterator);
      throw error;
    }
    while (this.#queue.length > 0) await this.#sendFrame();
    await this.#interrupter.wait(this.#frames.whenAtMost(0));
    const digest = this.#hash.digest();
    this.#sha256 = digest.toString('hex');
    this.#outbox.end(digest);
  }

  async #add(chunk: unknown): Promise<void> {
    if (!(chunk instanceof Uint8Array)) throw new InvalidSpecError('source', 'gives something that is not bytes');
    this.#progress.touch();
    this.#hash.update(chunk);
    this.#queue.push(chunk);
    while (this.#queue.length >= MAX_DATA_BYTES) await this.#sendFrame();
  }

  async #sendFrame(): Promise<void> {
    const rawLength = await this.#window.reserve(Math.min(this.#queue.length, MAX_DATA_BYTES));
    const offset = this.#window.sent - rawLength;
    const pieces = this.#queue.take(rawLength);
    this.#frames.add(() => this.#encode(pieces, { offset, rawLength }));
    await this.#interrupter.wait(this.#frames.whenAtMost(CONCURRENCY));
  }

  #encode(pieces: readonly Uint8Array[], at: { readonly offset: number; readonly rawLength: number }): OutgoingFrame | Promise<OutgoingFrame> {
    const encoded = this.#compressor.encode(pieces, at.rawLength);
    return encoded instanceof Promise ? encoded.then((data) => ({ ...data, ...at })) : { ...encoded, ...at };
  }

  #stop(reason: unknown): void {
    this.#interrupter.interrupt(reason);
    this.#window.fail(reason);
    this.#frames.stop();
  }
}

/** Ends a source that will not be read to its end; what that fails with is nobody's. */
export function endSource(source: AsyncIterable<Uint8Array>, reason: unknown, iterator?: AsyncIterator<Uint8Array>): void {
  // An iterator that is asked for the next chunk ends only after it; a stream can be ended at once.
  if (isStream(source)) {
    source.on('error', ignore);
    source.destroy(reason instanceof Error ? reason : undefined);
  }
  void iterator?.return?.().catch(ignore);
}

interface Destroyable {
  on(event: 'error', listener: () => void): unknown;
  destroy(error?: Error): unknown;
}

function isStream(source: object): source is Destroyable {
  return 'destroy' in source && typeof source.destroy === 'function' && 'on' in source && typeof source.on === 'function';
}

function ignore(): void {
  // Told elsewhere.
}
