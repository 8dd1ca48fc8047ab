import { createHash, type Hash } from 'node:crypto';
import { addAbortListener } from 'node:events';
import type { Readable } from 'node:stream';

import { ClosedError } from '../errors/caller.ts';
import { ArchiveDamagedError, StoreUnavailableError } from '../errors/store.ts';
import { freeBytes } from '../internal/free-bytes.ts';
import { Interrupter } from '../internal/interrupter.ts';
import { SilenceWatch } from '../internal/silence-watch.ts';
import { TookTooLong, within } from '../internal/within.ts';
import type { ArchiveReference } from '../repository/records.ts';
import type { AbortOptions, Clock } from '../runtime/options.ts';
import type { ArchiveStore } from '../stores/archive-store.ts';

/** The limits of reads from stores. */
export interface ReadLimits {
  readonly clock: Clock;
  /** How long a store may provide no byte, in milliseconds. */
  readonly stallMs: number;
}

/** The bytes of an archive in a store. Verifies their size and digest. */
export class StoredBytes {
  readonly #archive: ArchiveReference;
  readonly #readable: Readable;
  readonly #keepsChunks: boolean;
  readonly #iterator: AsyncIterator<unknown>;
  readonly #interrupter = new Interrupter();
  readonly #hash: Hash = createHash('sha256');
  readonly #silence: SilenceWatch;
  readonly #listener: Disposable | undefined;
  #bytes = 0;
  #isWaiting = false;

  private constructor(
    archive: ArchiveReference,
    readable: Readable,
    { clock, stallMs, signal, keepsChunks = true }: ReadLimits & AbortOptions & Pick<ArchiveStore, 'keepsChunks'>,
  ) {
    this.#archive = archive;
    this.#keepsChunks = keepsChunks;
    this.#readable = readable;
    readable.on('error', ignore);
    this.#iterator = readable[Symbol.asyncIterator]();
    this.#silence = new SilenceWatch({
      clock,
      limitMs: stallMs,
      silent: () => {
        if (this.#isWaiting) this.stop(stalled(archive, stallMs));
      },
    });
    if (signal !== undefined) this.#listener = addAbortListener(signal, () => this.stop(signal.reason));
  }

  /** The signal covers all bytes. */
  static async open(
    store: ArchiveStore,
    archive: ArchiveReference,
    options: ReadLimits & AbortOptions,
  ): Promise<StoredBytes> {
    const { clock, stallMs, signal } = options;
    const read = (opening: AbortSignal): Promise<Readable> => store.read(archive.key, { signal: opening });
    try {
      const { keepsChunks } = store;
      return new StoredBytes(archive, await within(stallMs, clock, read, signal), { ...options, keepsChunks });
    } catch (error) {
      throw error instanceof TookTooLong ? stalled(archive, stallMs) : error;
    }
  }

  /**
   * Resolves with the next bytes, or with `undefined` at the verified end. Rejects with the error of
   * the store, or with the reason of `stop`.
   *
   * @throws ArchiveDamagedError - the store has other bytes than those that were written
   * @throws StoreUnavailableError - it has provided no byte for too long
   */
  async next(): Promise<Uint8Array | undefined> {
    this.#silence.touch();
    this.#isWaiting = true;
    try {
      const next = await this.#interrupter.wait(this.#iterator.next());
      if (next.done !== true) return this.#take(next.value as Uint8Array);
      this.#verify();
      this.stop(new ClosedError('the archive'));
      return undefined;
    } catch (error) {
      this.stop(error);
      throw error;
    } finally {
      this.#isWaiting = false;
    }
  }

  /** Frees the memory of bytes that are not used any more, unless the store keeps it. */
  free(bytes: Uint8Array): void {
    if (!this.#keepsChunks) freeBytes(bytes);
  }

  /** Closes the connection to the store. Later calls of `next` reject with the reason. Idempotent. */
  stop(reason: unknown): void {
    this.#silence.stop();
    this.#listener?.[Symbol.dispose]();
    this.#interrupter.interrupt(reason);
    this.#readable.destroy();
  }

  #take(bytes: Uint8Array): Uint8Array {
    this.#bytes += bytes.byteLength;
    if (this.#bytes > this.#archive.storedBytes)
      throw this.#damaged(`it has more than ${this.#archive.storedBytes} bytes`);
    this.#hash.update(bytes);
    return bytes;
  }

  #verify(): void {
    const { storedBytes, storedDigest } = this.#archive;
    if (this.#bytes !== storedBytes) throw this.#damaged(`it has ${this.#bytes} bytes, not ${storedBytes}`);
    const digest = this.#hash.digest('hex');
    if (digest !== storedDigest) throw this.#damaged(`its bytes have SHA-256 ${digest}, not ${storedDigest}`);
  }

  #damaged(detail: string): ArchiveDamagedError {
    return new ArchiveDamagedError(this.#archive, detail);
  }
}

function stalled({ store, key }: ArchiveReference, stallMs: number): StoreUnavailableError {
  return new StoreUnavailableError({ store, key }, `it has provided no byte for ${stallMs} ms`);
}

function ignore(): void {
  // The iterator reports the error.
}
