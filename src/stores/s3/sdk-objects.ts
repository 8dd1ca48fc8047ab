import { Readable } from 'node:stream';

import type {
  GetObjectCommandOutput,
  ListMultipartUploadsCommandOutput,
  ListObjectsV2CommandOutput,
} from '@aws-sdk/client-s3';

import { ArchiveDamagedError, StoreUnavailableError } from '../../errors/store.ts';
import type { AbortOptions } from '../../runtime/options.ts';
import type { ListedArchive } from '../archive-store.ts';
import type { GetOptions, ObjectCalls, OpenedObject, PendingUpload } from './s3-calls.ts';
import { s3CodeOf } from './s3-errors.ts';
import type { SdkClient } from './sdk-client.ts';

interface ObjectsFrom {
  readonly ContinuationToken?: string;
  readonly MaxKeys?: number;
}

interface UploadsFrom {
  readonly KeyMarker?: string;
  readonly UploadIdMarker?: string;
}

/** Reads, lists and deletes objects by the AWS SDK. */
export class SdkObjects implements ObjectCalls {
  readonly #sdk: SdkClient;

  constructor(sdk: SdkClient) {
    this.#sdk = sdk;
  }

  async getObject(key: string, { offset, etag, signal }: GetOptions): Promise<OpenedObject | undefined> {
    const facts = { store: this.#sdk.settings.name, key };
    const input = {
      ...this.#sdk.place(key),
      ...(offset === 0 ? {} : { Range: `bytes=${offset}-` }),
      ...(etag === undefined ? {} : { IfMatch: etag }),
    };
    const output = await this.#sdk.send(
      's3:GetObject',
      key,
      async ({ s3, client, options }) =>
        await client.send(new s3.GetObjectCommand(input), options).catch((error: unknown) => {
          const code = s3CodeOf(error);
          if (code === 'InvalidRange') return undefined;
          if (code === 'PreconditionFailed') throw new ArchiveDamagedError(facts, 'it has changed while it was read');
          throw error;
        }),
      { signal },
    );
    if (output === undefined) return undefined;
    const opened = openedObject(output);
    if (opened === undefined) throw new StoreUnavailableError(facts, 'the answer has no size or no range');
    return opened;
  }

  async exists(key: string, options: AbortOptions = {}): Promise<boolean> {
    return (await this.writeIdOf(key, options)) !== undefined;
  }

  /** Returns the ID of the write that has stored the object, `''` if it has none. */
  async writeIdOf(key: string, { signal }: AbortOptions = {}): Promise<string | undefined> {
    return await this.#sdk.send(
      's3:GetObject',
      key,
      async ({ s3, client, options }) => {
        try {
          const { Metadata } = await client.send(new s3.HeadObjectCommand(this.#sdk.place(key)), options);
          return Metadata?.[writeIdName] ?? '';
        } catch (error) {
          if (/^(NotFound|NoSuchKey)$/.test(s3CodeOf(error))) return undefined;
          throw error;
        }
      },
      { signal },
    );
  }

  async deleteObject(key: string, { signal }: AbortOptions = {}): Promise<void> {
    await this.#sdk.send(
      's3:DeleteObject',
      key,
      async ({ s3, client, options }) => await client.send(new s3.DeleteObjectCommand(this.#sdk.place(key)), options),
      { signal },
    );
  }

  async *listObjects(prefix: string, options: AbortOptions = {}): AsyncGenerator<ListedArchive> {
    let from: ObjectsFrom | undefined = {};
    while (from !== undefined) {
      const { Contents = [], IsTruncated, NextContinuationToken } = await this.#objects(prefix, from, options);
      for (const { Key, Size, LastModified } of Contents)
        if (Key !== undefined && LastModified !== undefined)
          yield { key: this.#sdk.archiveKey(Key), storedBytes: Size ?? 0, modifiedAt: LastModified };
      from = this.#next(IsTruncated, NextContinuationToken, (ContinuationToken) => ({ ContinuationToken }));
    }
  }

  async *listUploads(prefix: string, options: AbortOptions = {}): AsyncGenerator<PendingUpload> {
    let from: UploadsFrom | undefined = {};
    while (from !== undefined) {
      const page = await this.#pendingUploads(prefix, from, options);
      const { Uploads = [], IsTruncated, NextKeyMarker, NextUploadIdMarker } = page;
      for (const { Key, UploadId, Initiated } of Uploads)
        if (Key !== undefined && UploadId !== undefined && Initiated !== undefined)
          yield { key: this.#sdk.archiveKey(Key), uploadId: UploadId, startedAt: Initiated };
      from = this.#next(IsTruncated, NextKeyMarker, (KeyMarker) =>
        NextUploadIdMarker === undefined ? { KeyMarker } : { KeyMarker, UploadIdMarker: NextUploadIdMarker },
      );
    }
  }

  async probe(options: AbortOptions = {}): Promise<void> {
    await this.#objects('', { MaxKeys: 1 }, options);
  }

  async #objects(prefix: string, from: ObjectsFrom, { signal }: AbortOptions): Promise<ListObjectsV2CommandOutput> {
    const { Bucket, Key: Prefix } = this.#sdk.place(prefix);
    return await this.#sdk.send(
      's3:ListBucket',
      undefined,
      async ({ s3, client, options }) =>
        await client.send(new s3.ListObjectsV2Command({ Bucket, Prefix, ...from }), options),
      { signal },
    );
  }

  async #pendingUploads(
    prefix: string,
    from: UploadsFrom,
    { signal }: AbortOptions,
  ): Promise<ListMultipartUploadsCommandOutput> {
    const { Bucket, Key: Prefix } = this.#sdk.place(prefix);
    return await this.#sdk.send(
      's3:ListBucketMultipartUploads',
      undefined,
      async ({ s3, client, options }) =>
        await client.send(new s3.ListMultipartUploadsCommand({ Bucket, Prefix, ...from }), options),
      { signal },
    );
  }

  /** Returns where the next page begins. Throws if a server reports more, and not where. */
  #next<T>(isTruncated: boolean | undefined, marker: string | undefined, from: (marker: string) => T): T | undefined {
    if (isTruncated !== true) return undefined;
    if (marker !== undefined && marker !== '') return from(marker);
    throw new StoreUnavailableError({ store: this.#sdk.settings.name }, 'a page of the list has no successor');
  }
}

/** The metadata of an object that identifies the write. */
export const writeIdName = 'kw-write';

/** Whole objects have status 200 and a length; ranges have status 206 and `bytes 100-199/200`. */
function openedObject({
  $metadata,
  Body: body,
  ContentLength: length,
  ContentRange: range,
  ETag: etag,
}: GetObjectCommandOutput): OpenedObject | undefined {
  if (!(body instanceof Readable)) return undefined;
  const [, start, total] = /^bytes (\d+)-\d+\/(\d+)$/.exec(range ?? '') ?? [];
  if ($metadata.httpStatusCode === 206 && start !== undefined)
    return { body, etag, start: Number(start), totalBytes: Number(total) };
  if ($metadata.httpStatusCode === 200 && length !== undefined) return { body, etag, start: 0, totalBytes: length };
  body.destroy();
  return undefined;
}
