import { createHash, type Hash } from 'node:crypto';

import { expandZstd } from '../agent-client/wire/data-compression.ts';
import { freeBytes } from '../internal/free-bytes.ts';
import type { ArchiveFrame, FramesEnd } from '../stores/frame-store.ts';

/** The number of frames that are expanded concurrently. */
const CONCURRENCY = 3;

/** Expands frames on other threads, in order, and hashes their raw bytes. */
export class RawContent {
  readonly #hash: Hash = createHash('sha256');
  #pending: { readonly frame: ArchiveFrame; readonly raw: Promise<Uint8Array> }[] = [];
  #rawBytes = 0;

  /** Takes the next frame. Resolves with the raw bytes of an earlier one once there are enough. */
  async add(frame: ArchiveFrame): Promise<Uint8Array | undefined> {
    return this.#begin(frame) ? await this.take() : undefined;
  }

  /** Resolves with the raw bytes of the next frame that was added, `undefined` if all were taken. */
  async take(): Promise<Uint8Array | undefined> {
    const next = await this.#next();
    // The bytes of a frame that is not compressed are now the caller's.
    if (next?.frame.encoding === 'zstd') next.frame.memory?.release();
    return next?.raw;
  }

  /** As `add`, for a caller that needs only size and digest. */
  async count(frame: ArchiveFrame): Promise<void> {
    if (this.#begin(frame)) await this.#discard();
  }

  /** As `take` for all frames that are left, for a caller that needs only size and digest. */
  async countRest(): Promise<void> {
    while (await this.#discard());
  }

  /** Returns the size and digest of all bytes. Called once, when all were taken. */
  end(): FramesEnd {
    return { rawBytes: this.#rawBytes, digest: this.#hash.digest('hex') };
  }

  /** Returns whether an earlier frame has to be taken. */
  #begin(frame: ArchiveFrame): boolean {
    const raw = expand(frame);
    raw.catch(ignore);
    frame.memory?.hold();
    this.#pending.push({ frame, raw });
    return this.#pending.length > CONCURRENCY;
  }

  async #next(): Promise<{ readonly frame: ArchiveFrame; readonly raw: Uint8Array } | undefined> {
    const next = this.#pending.shift();
    if (next === undefined) return undefined;
    const raw = await next.raw;
    this.#hash.update(raw);
    this.#rawBytes += raw.byteLength;
    return { frame: next.frame, raw };
  }

  /** Returns whether there was a frame. */
  async #discard(): Promise<boolean> {
    const next = await this.#next();
    // The bytes of a frame that is not compressed are those that the frame's user has.
    if (next?.frame.encoding === 'zstd') freeBytes(next.raw);
    next?.frame.memory?.release();
    return next !== undefined;
  }
}

async function expand({ encoding, bytes, rawLength }: ArchiveFrame): Promise<Uint8Array> {
  return encoding === 'raw' ? bytes : await expandZstd(bytes, rawLength);
}

function ignore(): void {
  // The caller receives the error from `take`.
}
