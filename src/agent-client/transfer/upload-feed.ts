import { createHash, type Hash } from 'node:crypto';

import { InvalidSpecError } from '../../errors/caller.ts';
import { OrderedTasks } from '../../internal/ordered-tasks.ts';
import { ByteQueue } from '../wire/byte-queue.ts';
import { DataCompressor } from '../wire/data-compression.ts';
import { MAX_DATA_BYTES } from '../wire/frame.ts';
import type { FrameDownload } from './frame-download.ts';
import type { OutgoingFrame } from './upload-outbox.ts';

/** What END says of all that a feed gave. */
export interface FeedEnd {
  /** SHA-256 of all raw bytes. */
  readonly digest: Buffer;
  /** The encoding that they came in has proven that nothing is missing. */
  readonly isProven: boolean;
}

/** Where the frames of an upload come from. */
export interface UploadFeed {
  /** Gives frames until there are no more. */
  give(sink: UploadSink): Promise<FeedEnd>;
  /** Ends it before its end; `reason` is what the upload rejects with. Idempotent. */
  stop(reason: unknown): void;
}

/** Where they go. */
export interface UploadSink {
  /** Waits for room in the agent's window and takes it: how many of `want` bytes may be sent. */
  reserve(want: number): Promise<number>;
  /** The same for bytes that cannot be parted. */
  reserveWhole(bytes: number): Promise<void>;
  /** The offset behind all that was reserved. */
  readonly reserved: number;
  /** Takes a frame; resolves when more are welcome. */
  add(frame: OutgoingFrame): Promise<void> | undefined;
  /** What the promise settles with, or a rejection as soon as the upload is stopped. */
  wait<T>(promise: PromiseLike<T>): Promise<T>;
  /** The same for what the source gives next, which may take as long as it likes. */
  waitForSource<T>(promise: PromiseLike<T>): Promise<T>;
  /** Something moved. */
  touch(): void;
  /** Stops the upload. */
  fail(error: unknown): void;
}

/** How many frames are compressed at once. */
const CONCURRENCY = 4;

/** The bytes of a source, hashed, and compressed where that saves something. */
export class ByteFeed implements UploadFeed {
  readonly #source: AsyncIterable<Uint8Array>;
  readonly #isProven: (() => boolean) | undefined;
  readonly #queue = new ByteQueue();
  readonly #hash: Hash = createHash('sha256');
  readonly #compressor = new DataCompressor();
  #iterator: AsyncIterator<Uint8Array> | undefined;
  #frames: OrderedTasks<OutgoingFrame> | undefined;
  #isRead = false;

  /** @param isProven - asked when the source has ended; `undefined`: never */
  constructor(source: AsyncIterable<Uint8Array>, isProven?: () => boolean) {
    this.#source = source;
    this.#isProven = isProven;
  }

  async give(sink: UploadSink): Promise<FeedEnd> {
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
    if (!(chunk instanceof Uint8Array)) throw new InvalidSpecError('source', 'gives something that is not bytes');
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

/** The frames of a download from another pod, as they travelled; pieces of raw ones are put together again. Both ends' digests prove them. */
export class RelayFeed implements UploadFeed {
  readonly #download: FrameDownload;
  readonly #raw = new ByteQueue();

  constructor(download: FrameDownload) {
    this.#download = download;
  }

  async give(sink: UploadSink): Promise<FeedEnd> {
    for (;;) {
      const frames = await sink.waitForSource(this.#download.next());
      if (frames.length === 0) break;
      for (const frame of frames) {
        sink.touch();
        if (frame.encoding === 'raw') this.#raw.push(frame.bytes);
        while (this.#raw.length >= (frame.encoding === 'raw' ? MAX_DATA_BYTES : 1)) await this.#sendRaw(sink);
        if (frame.encoding === 'zstd') {
          await sink.reserveWhole(frame.rawLength);
          await this.#send(sink, { ...frame, pieces: [frame.bytes] });
        }
        this.#download.passed(frame);
      }
    }
    while (this.#raw.length > 0) await this.#sendRaw(sink);
    return { digest: Buffer.from(this.#download.result?.sha256 ?? '', 'hex'), isProven: false };
  }

  stop(): void {
    if (this.#download.result === undefined) this.#download.stop();
  }

  async #sendRaw(sink: UploadSink): Promise<void> {
    const rawLength = await sink.reserve(Math.min(this.#raw.length, MAX_DATA_BYTES));
    await this.#send(sink, { encoding: 'raw', rawLength, pieces: this.#raw.take(rawLength) });
  }

  async #send(sink: UploadSink, { encoding, rawLength, pieces }: Omit<OutgoingFrame, 'offset'>): Promise<void> {
    const added = sink.add({ encoding, rawLength, pieces, offset: sink.reserved - rawLength });
    if (added !== undefined) await sink.wait(added);
  }
}

/** Ends a source that will not be read to its end; what that fails with is nobody's. */
export function endSource(
  source: AsyncIterable<Uint8Array>,
  reason: unknown,
  iterator?: AsyncIterator<Uint8Array>,
): void {
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
  return (
    'destroy' in source && typeof source.destroy === 'function' && 'on' in source && typeof source.on === 'function'
  );
}

function ignore(): void {
  // Told elsewhere.
}
