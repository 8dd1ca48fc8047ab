import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';

import type { AbortOptions, Clock, Logger } from '../../runtime/options.ts';
import type { S3StoreOptions } from '../../runtime/s3-store-options.ts';
import type { ArchiveStore, ListedArchive, ReadArchiveOptions, WrittenArchive } from '../archive-store.ts';
import { uploadArchive } from './multipart-pump.ts';
import type { PartBuffers } from './part-buffers.ts';
import { resumedRead } from './resumed-read.ts';
import { s3Settings } from './s3-settings.ts';
import { importS3, type S3Module, SdkClient } from './sdk-client.ts';
import { SdkObjects } from './sdk-objects.ts';
import { SdkUploads } from './sdk-uploads.ts';

export interface S3StoreComponents {
  readonly clock: Clock;
  readonly logger: Logger;
  /** The buffers of all uploads of the worker. */
  readonly buffers: PartBuffers;
  /** Loads the client. @defaultValue imports `@aws-sdk/client-s3` */
  readonly load?: () => Promise<S3Module>;
}

/**
 * Returns the store of a bucket. Connects at first use.
 *
 * @throws InvalidSpecError - an option is invalid. Missing packages and regions fail the first call.
 */
export function openS3Store(options: S3StoreOptions, components: S3StoreComponents): S3Store {
  const sdk = new SdkClient(s3Settings(options), components.load ?? importS3);
  return new S3Store(sdk, components);
}

/** Keeps archives as objects of a bucket. */
export class S3Store implements ArchiveStore {
  readonly name: string;
  /** An upload copies a chunk into its buffer; those of a download are copies of what a socket has read. */
  readonly keepsChunks = false;
  readonly #sdk: SdkClient;
  readonly #objects: SdkObjects;
  readonly #uploads: SdkUploads;
  readonly #components: S3StoreComponents;

  constructor(sdk: SdkClient, components: S3StoreComponents) {
    this.name = sdk.settings.name;
    this.#sdk = sdk;
    this.#components = components;
    this.#objects = new SdkObjects(sdk);
    this.#uploads = new SdkUploads({ sdk, objects: this.#objects, logger: components.logger, newId: randomUUID });
  }

  async write(key: string, bytes: AsyncIterable<Uint8Array>, options: AbortOptions = {}): Promise<WrittenArchive> {
    const { partSizeBytes, concurrency } = this.#sdk.settings;
    const { clock, logger, buffers } = this.#components;
    return await uploadArchive(key, bytes, {
      calls: this.#uploads,
      partBytes: partSizeBytes,
      concurrency,
      buffers,
      clock,
      logger,
      signal: options.signal,
    });
  }

  async read(key: string, { offset = 0, signal }: ReadArchiveOptions = {}): Promise<Readable> {
    const first = await this.#objects.getObject(key, { offset, signal });
    if (first === undefined) return Readable.from([]);
    const { clock } = this.#components;
    const silenceMs = this.#sdk.settings.requestTimeoutMs;
    return resumedRead(first, { calls: this.#objects, store: this.name, key, offset, clock, silenceMs, signal });
  }

  async delete(key: string, options: AbortOptions = {}): Promise<boolean> {
    let existed = false;
    for await (const upload of this.#objects.listUploads(key, options)) {
      if (upload.key !== key) continue;
      await this.#uploads.abortMultipartUpload(key, upload.uploadId, options);
      existed = true;
    }
    if (!(await this.#objects.exists(key, options))) return existed;
    await this.#objects.deleteObject(key, options);
    return true;
  }

  async *list(prefix: string, options: AbortOptions = {}): AsyncGenerator<ListedArchive> {
    yield* this.#objects.listObjects(prefix, options);
    for await (const { key, startedAt } of this.#objects.listUploads(prefix, options))
      yield { key, storedBytes: 0, modifiedAt: startedAt };
  }

  async usage(): Promise<undefined> {}

  async probe(options: AbortOptions = {}): Promise<void> {
    await this.#objects.probe(options);
  }

  /**
   * Proves each right with an object of its own, which it deletes. Rejects with the first error.
   *
   * @param key - a key that is not used otherwise
   */
  async check(key: string, options: AbortOptions = {}): Promise<void> {
    await this.probe(options);
    const bytes = Buffer.from('kubernetes-worker');
    await this.#uploads.putObject(key, bytes, options);
    (await this.read(key, options)).resume().destroy();
    await this.delete(key, options);
    const uploadId = await this.#uploads.createMultipartUpload(key, options);
    const part = await this.#uploads.uploadPart(key, uploadId, 1, bytes, options);
    await this.#uploads.completeMultipartUpload(key, uploadId, [part], options);
    await this.delete(key, options);
    await this.#uploads.createMultipartUpload(key, options);
    await this.delete(key, options);
  }

  async close(): Promise<void> {
    this.#sdk.close();
  }
}
