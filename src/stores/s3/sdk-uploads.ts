import type { AbortOptions, Logger } from '../../runtime/options.ts';
import type { UploadCalls, UploadedPart } from './s3-calls.ts';
import { isReset, s3CodeOf } from './s3-errors.ts';
import type { SdkClient, Sending } from './sdk-client.ts';
import { type SdkObjects, writeIdName } from './sdk-objects.ts';

export interface SdkUploadsOptions {
  readonly sdk: SdkClient;
  readonly objects: SdkObjects;
  readonly logger: Logger;
  /** Returns a new unique ID. */
  readonly newId: () => string;
}

/**
 * Uploads objects by the AWS SDK. Each upload has an ID in the metadata of its object. A request that
 * the client repeats after a lost answer may be refused, because the object exists; it has succeeded
 * if the object has this ID.
 */
export class SdkUploads implements UploadCalls {
  readonly #options: SdkUploadsOptions;
  readonly #writeIds = new Map<string, string>();
  #sendsConditions: boolean;

  constructor(options: SdkUploadsOptions) {
    this.#options = options;
    this.#sendsConditions = options.sdk.settings.conditionalWrites;
  }

  async putObject(key: string, bytes: Uint8Array, options: AbortOptions = {}): Promise<void> {
    const writeId = this.#options.newId();
    const input = { ...this.#newObject(key, writeId), ...this.#checksum(), Body: bytes };
    await this.#create(key, writeId, options, async ({ s3, client, options: sent }, condition) => {
      await client.send(new s3.PutObjectCommand({ ...input, ...condition }), sent);
    });
  }

  async createMultipartUpload(key: string, { signal }: AbortOptions = {}): Promise<string> {
    const writeId = this.#options.newId();
    const input = { ...this.#newObject(key, writeId), ...this.#checksum() };
    const uploadId = await this.#options.sdk.send(
      's3:PutObject',
      key,
      async ({ s3, client, options }) => {
        const { UploadId } = await client.send(new s3.CreateMultipartUploadCommand(input), options);
        return UploadId ?? '';
      },
      { signal },
    );
    this.#writeIds.set(uploadId, writeId);
    return uploadId;
  }

  async uploadPart(
    key: string,
    uploadId: string,
    number: number,
    bytes: Uint8Array,
    { signal }: AbortOptions = {},
  ): Promise<UploadedPart> {
    const place = { ...this.#options.sdk.place(key), UploadId: uploadId, PartNumber: number };
    const input = { ...place, ...this.#checksum(), Body: bytes };
    return await this.#options.sdk.send(
      's3:PutObject',
      key,
      async ({ s3, client, options }) => {
        const { ETag = '', ChecksumCRC32 } = await client.send(new s3.UploadPartCommand(input), options);
        return { number, etag: ETag, checksum: ChecksumCRC32 };
      },
      { signal },
    );
  }

  async completeMultipartUpload(
    key: string,
    uploadId: string,
    parts: readonly UploadedPart[],
    options: AbortOptions = {},
  ): Promise<void> {
    const Parts = parts.map(({ number, etag, checksum }) => ({
      PartNumber: number,
      ETag: etag,
      ...(checksum === undefined ? {} : { ChecksumCRC32: checksum }),
    }));
    const input = { ...this.#options.sdk.place(key), UploadId: uploadId, MultipartUpload: { Parts } };
    await this.#create(key, this.#writeIds.get(uploadId) ?? '', options, async (sending, condition) => {
      const { s3, client } = sending;
      await client.send(new s3.CompleteMultipartUploadCommand({ ...input, ...condition }), sending.options);
    });
    this.#writeIds.delete(uploadId);
  }

  async abortMultipartUpload(key: string, uploadId: string, { signal }: AbortOptions = {}): Promise<void> {
    this.#writeIds.delete(uploadId);
    const input = { ...this.#options.sdk.place(key), UploadId: uploadId };
    await this.#options.sdk.send(
      's3:AbortMultipartUpload',
      key,
      async ({ s3, client, options }) => {
        await client.send(new s3.AbortMultipartUploadCommand(input), options).catch((error: unknown) => {
          if (s3CodeOf(error) !== 'NoSuchUpload') throw error;
        });
      },
      { signal },
    );
  }

  /** Creates an object, on the condition that there is none if the server supports that. */
  async #create(
    key: string,
    writeId: string,
    { signal }: AbortOptions,
    work: (sending: Sending, condition: { readonly IfNoneMatch?: '*' }) => Promise<void>,
  ): Promise<void> {
    const { sdk, logger } = this.#options;
    await sdk.send(
      's3:PutObject',
      key,
      async (sending) => {
        try {
          await work(sending, this.#sendsConditions ? { IfNoneMatch: '*' } : {});
        } catch (error) {
          const code = s3CodeOf(error);
          if (code === 'NotImplemented' && this.#sendsConditions) {
            this.#sendsConditions = false;
            logger.info('the server has no conditional writes', { store: sdk.settings.name });
            await work(sending, {});
          } else if (!(await this.#hasSucceeded(error, key, writeId, { signal }))) throw error;
        }
      },
      { signal },
    );
  }

  /** Returns whether an earlier try of a request has created the object, although the last try has failed. */
  async #hasSucceeded(error: unknown, key: string, writeId: string, options: AbortOptions): Promise<boolean> {
    if (repeatedCodes.has(s3CodeOf(error))) return await this.#isOurs(key, writeId, options);
    // A server that refuses the repeated request may close the connection before it has read the body.
    return isReset(error) && (await this.#isOurs(key, writeId, options).catch(() => false));
  }

  async #isOurs(key: string, writeId: string, options: AbortOptions): Promise<boolean> {
    return writeId !== '' && (await this.#options.objects.writeIdOf(key, options)) === writeId;
  }

  #newObject(key: string, writeId: string) {
    const { serverSideEncryption, kmsKeyId, storageClass } = this.#options.sdk.settings;
    return {
      ...this.#options.sdk.place(key),
      Metadata: { [writeIdName]: writeId },
      ContentType: 'application/zstd',
      ...(serverSideEncryption === undefined ? {} : { ServerSideEncryption: serverSideEncryption }),
      ...(kmsKeyId === undefined ? {} : { SSEKMSKeyId: kmsKeyId }),
      ...(storageClass === undefined ? {} : { StorageClass: storageClass as 'STANDARD' }),
    };
  }

  #checksum(): { readonly ChecksumAlgorithm?: 'CRC32' } {
    return this.#options.sdk.settings.checksums ? { ChecksumAlgorithm: 'CRC32' } : {};
  }
}

/** Codes of a repeated request whose first answer was lost. */
const repeatedCodes = new Set(['PreconditionFailed', 'NoSuchUpload']);
