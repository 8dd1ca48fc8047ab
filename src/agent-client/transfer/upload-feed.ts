import { createHash, type Hash } from 'node:crypto';

import { InvalidSpecError } from '../../errors/caller.ts';
import { endSource } from '../../internal/end-source.ts';
import { OrderedTasks } from '../../internal/ordered-tasks.ts';
import type { ArchiveFrame, ArchiveFrames } from '../../stores/frame-store.ts';
import { ByteQueue } from '../wire/byte-queue.ts';
import { DataCompressor } from '../wire/data-compression.ts';
import { MAX_DATA_BYTES } from '../wire/frame.ts';
import type { OutgoingFrame } from './upload-outbox.ts';

/** The contents of END for a whole feed. */
export interface FeedEnd {
  /** The SHA-256 of all raw bytes. */
  readonly digest: Buffer;
  /** Whether the source's encoding has proven that no bytes are missing. */
  readonly isProven: boolean;
}

/** The source of an upload's frames. */
export interface UploadFeed {
  /** Sends all frames to the sink. */
  sendTo(sink: UploadSink): Promise<FeedEnd>;
  /** Ends the feed early. The upload rejects with `reason`. Idempotent. */
  stop(reason: unknown): void;
}

/** The destination of an upload's frames. */
export interface UploadSink {
  /**
   * Waits for room in the agent's window and reserves it. Returns how many of `want` bytes to send.
   */
  reserve(want: number): Promise<number>;
  /** Like `reserve`, for bytes that cannot be split. */
  reserveWhole(bytes: number): Promise<void>;
  /** The offset behind the reserved bytes. */
  readonly reserved: number;
  /** Queues a frame. The promise resolves when the sink accepts more. */
  add(frame: OutgoingFrame): Promise<void> | undefined;
  /** Settles with the promise, or rejects as soon as the upload is stopped. */
  wait<T>(promise: PromiseLike<T>): Promise<T>;
  /** Like `wait`, for the source's next chunk. The source may pause for any length of time. */
  waitForSource<T>(promise: PromiseLike<T>): Promise<T>;
  /** Records progress. */
  touch(): void;
  /** Stops the upload. */
  fail(error: unknown): void;
}

/** The number of frames that are compressed concurrently. */
const CONCURRENCY = 4;

/** Hashes the bytes of a source, and compresses them where that saves space. */
export class ByteFeed implements UploadFeed {
  readonly #source: AsyncIterable<Uint8Array>;
  readonly #isProven: (() => boolean) | undefined;
  readonly #queue = new ByteQueue();
  readonly #hash: Hash = createHash('sha256');
  readonly #compressor = new DataCompressor();
  #iterator: AsyncIterator<Uint8Array> | undefined;
  #frames: OrderedTasks<OutgoingFrame> | undefined;
  #isRead = false;

  /** @param isProven - called when the source has ended; without it the end is not proven */
  constructor(source: AsyncIterable<Uint8Array>, isProven?: () => boolean) {
    this.#source = source;
    this.#isProven = isProven;
  }

  async sendTo(sink: UploadSink): Promise<FeedEnd> {
    const iterator = this.#source[Symbol.asyncIterator]();
    this.#iterator = iterator;
    const frames = new OrderedTasks<OutgoingFrame>({
      concurrency: CONCURRENCY,
      take: (frame) => sink.add(frame),
      failed: (error) => sink.fail(error),
    });
    this.#frames = frames;
    for (;;) {
      const next = await sink.waitForSource(iterator.next());
      if (next.done === true) break;
      await this.#add(next.value, sink, frames);
    }
    this.#isRead = true;
    while (this.#queue.length > 0) await this.#sendFrame(sink, frames);
    await sink.wait(frames.whenAtMost(0));
    return { digest: this.#hash.digest(), isProven: this.#isProven?.() ?? false };
  }

  stop(reason: unknown): void {
    this.#frames?.stop();
    if (!this.#isRead) endSource(this.#source, reason, this.#iterator);
    this.#isRead = true;
  }

  async #add(chunk: unknown, sink: UploadSink, frames: OrderedTasks<OutgoingFrame>): Promise<void> {
    if (!(chunk instanceof Uint8Array)) throw new InvalidSpecError('source', 'yields a value that is not bytes');
    sink.touch();
    this.#hash.update(chunk);
    this.#queue.push(chunk);
    while (this.#queue.length >= MAX_DATA_BYTES) await this.#sendFrame(sink, frames);
  }

  async #sendFrame(sink: UploadSink, frames: OrderedTasks<OutgoingFrame>): Promise<void> {
    const rawLength = await sink.reserve(Math.min(this.#queue.length, MAX_DATA_BYTES));
    const offset = sink.reserved - rawLength;
    const pieces = this.#queue.take(rawLength);
    frames.add(() => this.#encode(pieces, { offset, rawLength }));
    await sink.wait(frames.whenAtMost(CONCURRENCY));
  }

  #encode(
    pieces: readonly Uint8Array[],
    at: { readonly offset: number; readonly rawLength: number },
  ): OutgoingFrame | Promise<OutgoingFrame> {
    const encoded = this.#compressor.encode(pieces, at.rawLength);
    return encoded instanceof Promise ? encoded.then((data) => ({ ...data, ...at })) : { ...encoded, ...at };
  }
}

/**
 * Passes the frames of an archive on without decoding them. The digest of their sender and that of
 * the receiving agent prove the bytes.
 */
export class RelayFeed implements UploadFeed {
  readonly #frames: ArchiveFrames;

  constructor(frames: ArchiveFrames) {
    this.#frames = frames;
  }

  async sendTo(sink: UploadSink): Promise<FeedEnd> {
    for (;;) {
      const frames = await sink.waitForSource(this.#frames.next());
      if (frames.length === 0) break;
      for (const frame of frames) {
        sink.touch();
        if (frame.encoding === 'raw') await this.#sendRaw(sink, frame);
        else {
          await sink.reserveWhole(frame.rawLength);
          await this.#send(sink, { ...frame, pieces: [frame.bytes] });
        }
        this.#frames.passed(frame);
      }
    }
    return { digest: Buffer.from(this.#frames.end?.digest ?? '', 'hex'), isProven: false };
  }

  stop(): void {
    if (this.#frames.end === undefined) this.#frames.stop();
  }

  /** Splits the bytes where the agent's window has less room. */
  async #sendRaw(sink: UploadSink, { bytes, memory }: ArchiveFrame): Promise<void> {
    for (let rest = bytes; rest.byteLength > 0; ) {
      const rawLength = await sink.reserve(rest.byteLength);
      const pieces = [rest.subarray(0, rawLength)];
      rest = rest.subarray(rawLength);
      // The parts are acknowledged in order: the last one has the memory of all.
      await this.#send(sink, { encoding: 'raw', rawLength, pieces, memory: rest.byteLength > 0 ? undefined : memory });
    }
  }

  async #send(sink: UploadSink, { encoding, rawLength, pieces, memory }: Omit<OutgoingFrame, 'offset'>): Promise<void> {
    const added = sink.add({ encoding, rawLength, pieces, memory, offset: sink.reserved - rawLength });
    if (added !== undefined) await sink.wait(added);
  }
}
