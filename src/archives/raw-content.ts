import { createHash, type Hash } from 'node:crypto';

import { expandZstd } from '../agent-client/wire/data-compression.ts';
import type { ArchiveFrame, FramesEnd } from '../stores/frame-store.ts';

/** The number of frames that are expanded concurrently. */
const CONCURRENCY = 3;

/** Expands frames on other threads, in order, and hashes their raw bytes. */
export class RawContent {
  readonly #hash: Hash = createHash('sha256');
  #pending: Promise<Uint8Array>[] = [];
  #rawBytes = 0;

  /** Takes the next frame. Resolves with the raw bytes of an earlier one once there are enough. */
  async add(frame: ArchiveFrame): Promise<Uint8Array | undefined> {
    const raw = expand(frame);
    raw.catch(ignore);
    this.#pending.push(raw);
    return this.#pending.length > CONCURRENCY ? await this.take() : undefined;
  }

  /** Resolves with the raw bytes of the next frame that was added, `undefined` if all were taken. */
  async take(): Promise<Uint8Array | undefined> {
    const raw = await this.#pending.shift();
    if (raw === undefined) return undefined;
    this.#hash.update(raw);
    this.#rawBytes += raw.byteLength;
    return raw;
  }

  /** Returns the size and digest of all bytes. Called once, when all were taken. */
  end(): FramesEnd {
    return { rawBytes: this.#rawBytes, digest: this.#hash.digest('hex') };
  }
}

async function expand({ encoding, bytes, rawLength }: ArchiveFrame): Promise<Uint8Array> {
  return encoding === 'raw' ? bytes : await expandZstd(bytes, rawLength);
}

function ignore(): void {
  // The caller receives the error from `take`.
}
