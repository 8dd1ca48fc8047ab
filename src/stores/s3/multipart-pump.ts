import { createHash } from 'node:crypto';

import { ArtifactTooLargeError } from '../../errors/transfer.ts';
import { abortableChunks } from '../../internal/abortable-chunks.ts';
import { within } from '../../internal/within.ts';
import type { AbortOptions, Clock, Logger } from '../../runtime/options.ts';
import type { WrittenArchive } from '../archive-store.ts';
import type { PartBuffer, PartBuffers } from './part-buffers.ts';
import type { UploadCalls, UploadedPart } from './s3-calls.ts';
import { maxParts } from './s3-settings.ts';

export interface MultipartPumpOptions {
  readonly calls: UploadCalls;
  readonly buffers: PartBuffers;
  readonly partBytes: number;
  /** How many parts of one upload are sent at the same time. */
  readonly concurrency: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** How long the end of a failed upload may take, in milliseconds. */
const abortLimitMs = 10_000;

/**
 * Uploads a stream in parts of a fixed size. An upload holds one buffer that it fills, and one for
 * each part that is under way. Less than one part is sent as a plain object.
 */
export async function uploadArchive(
  key: string,
  source: AsyncIterable<Uint8Array>,
  options: MultipartPumpOptions & AbortOptions,
): Promise<WrittenArchive> {
  const upload = new Upload(key, options);
  try {
    const { signal } = upload;
    await upload.begin();
    const digest = createHash('sha256');
    let storedBytes = 0;
    for await (const chunk of abortableChunks(source, signal)) {
      digest.update(chunk);
      storedBytes += chunk.length;
      await upload.add(chunk);
    }
    await upload.complete();
    return { storedBytes, storedDigest: digest.digest('hex') };
  } catch (error) {
    throw await upload.fail(error);
  }
}

/** One upload. Its signal aborts with the caller's signal, and with the failure of a part. */
class Upload {
  readonly signal: AbortSignal;
  readonly #key: string;
  readonly #options: MultipartPumpOptions;
  readonly #stop = new AbortController();
  readonly #underWay = new Set<Promise<void>>();
  readonly #parts: UploadedPart[] = [];
  #uploadId: string | undefined;
  #filling: PartBuffer | undefined;
  #filled = 0;
  #sent = 0;

  constructor(key: string, { signal, ...options }: MultipartPumpOptions & AbortOptions) {
    this.#key = key;
    this.#options = options;
    this.signal = signal === undefined ? this.#stop.signal : AbortSignal.any([signal, this.#stop.signal]);
  }

  async begin(): Promise<void> {
    const { buffers, partBytes } = this.#options;
    this.#filling = await buffers.acquire(partBytes, { signal: this.signal });
    this.#filled = 0;
  }

  /** Copies the chunk. Resolves when there is room for more. */
  async add(chunk: Uint8Array): Promise<void> {
    for (let at = 0; at < chunk.length; ) {
      const piece = chunk.subarray(at, at + this.#options.partBytes - this.#filled);
      this.#filling?.bytes.set(piece, this.#filled);
      this.#filled += piece.length;
      at += piece.length;
      if (this.#filled === this.#options.partBytes) await this.#next();
    }
  }

  async complete(): Promise<void> {
    const { signal } = this;
    const { calls } = this.#options;
    if (this.#uploadId === undefined) {
      const bytes = this.#filling?.bytes.subarray(0, this.#filled) ?? Buffer.alloc(0);
      await calls.putObject(this.#key, bytes, { signal });
    } else {
      if (this.#filled > 0) await this.#send(this.#uploadId);
      await Promise.all(this.#underWay);
      signal.throwIfAborted();
      const parts = this.#parts.toSorted((one, other) => one.number - other.number);
      await calls.completeMultipartUpload(this.#key, this.#uploadId, parts, { signal });
    }
    this.#filling?.release();
  }

  /** Ends everything that is under way. Returns the error of the upload. */
  async fail(error: unknown): Promise<unknown> {
    const first: unknown = this.signal.aborted ? this.signal.reason : error;
    this.#stop.abort(error);
    await Promise.allSettled(this.#underWay);
    this.#filling?.release();
    if (this.#uploadId !== undefined) await this.#abort(this.#uploadId);
    return first;
  }

  async #next(): Promise<void> {
    this.#uploadId ??= await this.#options.calls.createMultipartUpload(this.#key, { signal: this.signal });
    await this.#send(this.#uploadId);
    await this.begin();
  }

  /** Sends the filled buffer, once fewer parts than permitted are under way. */
  async #send(uploadId: string): Promise<void> {
    while (this.#underWay.size >= this.#options.concurrency) await Promise.race(this.#underWay);
    this.signal.throwIfAborted();
    const [buffer, length] = [this.#filling, this.#filled];
    if (buffer === undefined) return;
    this.#filling = undefined;
    this.#filled = 0;
    this.#sent += 1;
    const number = this.#sent;
    const sending = this.#sendPart(uploadId, number, buffer, length).finally(() => this.#underWay.delete(sending));
    this.#underWay.add(sending);
  }

  /** Never rejects: a failure aborts the upload. */
  async #sendPart(uploadId: string, number: number, buffer: PartBuffer, length: number): Promise<void> {
    const { calls, partBytes } = this.#options;
    try {
      if (number > maxParts) throw new ArtifactTooLargeError({}, maxParts * partBytes);
      const bytes = buffer.bytes.subarray(0, length);
      this.#parts.push(await calls.uploadPart(this.#key, uploadId, number, bytes, { signal: this.signal }));
    } catch (error) {
      this.#stop.abort(error);
    } finally {
      buffer.release();
    }
  }

  async #abort(uploadId: string): Promise<void> {
    const { calls, clock, logger } = this.#options;
    try {
      await within(abortLimitMs, clock, (signal) => calls.abortMultipartUpload(this.#key, uploadId, { signal }));
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      logger.warn('a failed upload of an archive could not be aborted', { key: this.#key, error: message });
    }
  }
}
