import { createHash, type Hash } from 'node:crypto';

import { ByteQueue } from '../agent-client/wire/byte-queue.ts';
import { DataCompressor, type EncodedData } from '../agent-client/wire/data-compression.ts';
import { ClosedError, InvalidSpecError } from '../errors/caller.ts';
import type { TransferFacts } from '../errors/transfer.ts';
import { endSource } from '../internal/end-source.ts';
import { Interrupter } from '../internal/interrupter.ts';
import type { FramesEnd } from '../stores/frame-store.ts';
import type { GivenArchive, WriteOptions } from './archive-transfers.ts';
import { ArchiveWriter } from './format/archive-writer.ts';
import { MAX_RAW_BYTES } from './format/zstd-frame.ts';
import { EntryCheck } from './tar/entry-check.ts';
import { PlainCheck } from './tar/plain-check.ts';
import { BLOCK_BYTES } from './tar/tar-header.ts';
import { type TarEntry, TarReader } from './tar/tar-reader.ts';
import type { StoreSource } from './write-verified.ts';

/** The number of frames that are compressed concurrently. */
const CONCURRENCY = 4;
const FACTS: TransferFacts = { direction: 'in' };

interface PendingFrame {
  readonly rawLength: number;
  readonly data: EncodedData | Promise<EncodedData>;
}

/** A raw tar archive of the host as the bytes of a store. Checks it as an agent does. */
export class HostArchive implements StoreSource {
  readonly bytes: AsyncGenerator<Uint8Array>;
  readonly #source: AsyncIterable<Uint8Array>;
  readonly #options: WriteOptions;
  readonly #interrupter = new Interrupter();
  readonly #check: EntryCheck;
  readonly #plain = new PlainCheck();
  readonly #reader: TarReader;
  readonly #writer = new ArchiveWriter();
  readonly #hash: Hash = createHash('sha256');
  readonly #queue = new ByteQueue();
  readonly #compressor = new DataCompressor();
  readonly #frames: PendingFrame[] = [];
  #iterator: AsyncIterator<unknown> | undefined;
  #isRead = false;
  #end: FramesEnd | undefined;

  constructor(source: AsyncIterable<Uint8Array>, options: WriteOptions) {
    this.#source = source;
    this.#options = options;
    this.#check = new EntryCheck(FACTS, options.expandedLimitBytes);
    this.#reader = new TarReader({ entry: (entry) => this.#take(entry), content: () => undefined }, FACTS);
    this.bytes = this.#produce();
  }

  /** What the archive has, once all bytes were produced. */
  get result(): FramesEnd & Pick<GivenArchive, 'entries' | 'expandedBytes' | 'isPlain'> {
    if (this.#end === undefined) throw new Error('the archive has not ended');
    const { entries, expandedBytes } = this.#check;
    return { ...this.#end, entries, expandedBytes, isPlain: this.#plain.isPlain && !this.#reader.hasGlobal };
  }

  stop(reason: unknown): void {
    this.#interrupter.interrupt(reason ?? new ClosedError('the archive'));
    if (!this.#isRead) endSource(this.#source, reason, this.#iterator as AsyncIterator<Uint8Array> | undefined);
    this.#isRead = true;
  }

  async *#produce(): AsyncGenerator<Uint8Array> {
    const iterator = this.#source[Symbol.asyncIterator]();
    this.#iterator = iterator;
    for (;;) {
      const next = await this.#interrupter.wait(iterator.next());
      if (next.done === true) break;
      this.#add(next.value);
      while (this.#queue.length >= MAX_RAW_BYTES) yield* this.#frame(CONCURRENCY);
    }
    this.#isRead = true;
    this.#close();
    while (this.#queue.length > 0) yield* this.#frame(CONCURRENCY);
    yield* this.#encoded(0);
    this.#end = { rawBytes: this.#writer.rawBytes, digest: this.#hash.digest('hex') };
    yield this.#writer.end();
  }

  #add(chunk: unknown): void {
    if (!(chunk instanceof Uint8Array)) throw new InvalidSpecError('source', 'yields a value that is not bytes');
    this.#reader.push(chunk);
    this.#hash.update(chunk);
    this.#queue.push(chunk);
  }

  /** Ends the archive with a closing block if only its encoding has proven that it is complete. */
  #close(): void {
    const isProven = this.#options.isProven?.() ?? false;
    this.#reader.end(isProven);
    if (!this.#reader.hasClosingBlock) this.#add(Buffer.alloc(2 * BLOCK_BYTES));
  }

  #take(entry: TarEntry): void {
    this.#plain.take(entry, this.#check.take(entry));
  }

  async *#frame(pending: number): AsyncGenerator<Uint8Array> {
    const rawLength = Math.min(this.#queue.length, MAX_RAW_BYTES);
    const data = this.#compressor.encode(this.#queue.take(rawLength), rawLength);
    if (data instanceof Promise) data.catch(ignore);
    this.#frames.push({ rawLength, data });
    yield* this.#encoded(pending);
  }

  /** Yields encoded frames until at most so many are pending. */
  async *#encoded(pending: number): AsyncGenerator<Uint8Array> {
    while (this.#frames.length > pending) {
      const frame = this.#frames.shift();
      if (frame === undefined) return;
      const { encoding, pieces } = await frame.data;
      yield* this.#writer.add({ encoding, rawLength: frame.rawLength, bytes: joined(pieces) });
      this.#options.progress?.(this.#writer.rawBytes);
    }
  }
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const [first] = pieces;
  return pieces.length === 1 && first !== undefined ? first : Buffer.concat(pieces);
}

function ignore(): void {
  // The producer receives the error.
}
