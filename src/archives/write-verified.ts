import { createHash } from 'node:crypto';
import { addAbortListener } from 'node:events';

import { ArchiveDamagedError } from '../errors/store.ts';
import type { AbortOptions } from '../runtime/options.ts';
import type { ArchiveStore, WrittenArchive } from '../stores/archive-store.ts';

/** The bytes for a store. */
export interface StoreSource {
  readonly bytes: AsyncIterable<Uint8Array>;
  /** Ends the source early. A pending read then rejects. Idempotent. */
  stop(reason: unknown): void;
}

/**
 * Writes bytes to a store, and compares what the store has received with what was sent. Ends the
 * source on every path. Rejects with the source's own error if the source fails.
 */
export async function writeVerified(
  store: ArchiveStore,
  key: string,
  source: StoreSource,
  { signal }: AbortOptions = {},
): Promise<WrittenArchive> {
  const sent = new SentBytes(source.bytes);
  using _listener = signal === undefined ? undefined : addAbortListener(signal, () => source.stop(signal.reason));
  try {
    signal?.throwIfAborted();
    const written = await store.write(key, sent, { signal });
    sent.compare(written, { store: store.name, key });
    return written;
  } catch (error) {
    const reason = sent.close(error);
    throw signal?.aborted === true ? signal.reason : reason;
  } finally {
    source.stop(undefined);
  }
}

/** Counts and hashes the bytes that a store takes. */
class SentBytes implements AsyncIterable<Uint8Array> {
  readonly #bytes: AsyncIterable<Uint8Array>;
  readonly #hash = createHash('sha256');
  #count = 0;
  #isComplete = false;
  #isClosed = false;
  #failure: { readonly reason: unknown } | undefined;

  constructor(bytes: AsyncIterable<Uint8Array>) {
    this.#bytes = bytes;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    try {
      for await (const bytes of this.#bytes) {
        this.#hash.update(bytes);
        this.#count += bytes.byteLength;
        yield bytes;
      }
      this.#isComplete = true;
    } catch (error) {
      // A store that has failed no longer waits for its read.
      if (this.#isClosed) return;
      this.#failure = { reason: error };
      throw error;
    }
  }

  /** Returns the error to report: that of the source if it has failed. */
  close(error: unknown): unknown {
    this.#isClosed = true;
    return this.#failure === undefined ? error : this.#failure.reason;
  }

  /** @throws ArchiveDamagedError - the store has received other bytes */
  compare(
    { storedBytes, storedDigest }: WrittenArchive,
    facts: { readonly store: string; readonly key: string },
  ): void {
    if (this.#failure !== undefined) throw this.#failure.reason;
    const digest = this.#hash.digest('hex');
    if (this.#isComplete && storedBytes === this.#count && storedDigest === digest) return;
    throw new ArchiveDamagedError(
      facts,
      `${this.#count} bytes with SHA-256 ${digest} were sent, the store has ${storedBytes} with ${storedDigest}`,
    );
  }
}
