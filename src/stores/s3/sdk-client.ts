import type * as S3Sdk from '@aws-sdk/client-s3';
import type { S3Client } from '@aws-sdk/client-s3';

import { ClosedError, InvalidSpecError } from '../../errors/caller.ts';
import type { AbortOptions } from '../../runtime/options.ts';
import type { S3Credentials } from '../../runtime/s3-store-options.ts';
import { ReusingHttpAgent, ReusingHttpsAgent } from './reusing-agents.ts';
import { CredentialsFailure, isRefusedCredential, isReset, s3ErrorOf } from './s3-errors.ts';
import type { S3Settings } from './s3-settings.ts';

export type S3Module = typeof S3Sdk;

/** Loads the optional package. */
export async function importS3(): Promise<S3Module> {
  return await import('@aws-sdk/client-s3');
}

/** A client, and the module with the classes of its requests. */
interface OpenedClient {
  readonly s3: S3Module;
  readonly client: S3Client;
}

/** What sends one request. */
export interface Sending extends OpenedClient {
  readonly options: { readonly abortSignal?: AbortSignal };
}

/** Every upload and download of the program may have connections at the same time. */
const maxSockets = 256;
const connectionTimeoutMs = 10_000;

/**
 * Sends requests with the client of the AWS SDK, which is created at first use. The client tries a
 * request four times. When the server refuses its credentials or resets its connections, they are
 * obtained again, and the request is repeated if they differ.
 */
export class SdkClient {
  readonly settings: S3Settings;
  readonly #load: () => Promise<S3Module>;
  readonly #httpAgent = new ReusingHttpAgent({ keepAlive: true, maxSockets });
  readonly #httpsAgent: ReusingHttpsAgent;
  #opened: Promise<OpenedClient> | undefined;
  #renewing: Promise<OpenedClient | undefined> | undefined;
  #isClosed = false;

  constructor(settings: S3Settings, load: () => Promise<S3Module> = importS3) {
    this.settings = settings;
    this.#load = load;
    this.#httpsAgent = new ReusingHttpsAgent({ keepAlive: true, maxSockets, ca: settings.ca });
  }

  /** The bucket and the key of the object of an archive. */
  place(key: string): { readonly Bucket: string; readonly Key: string } {
    const { bucket, prefix } = this.settings;
    return { Bucket: bucket, Key: prefix + key };
  }

  /** Returns the key of the archive of an object below the prefix. */
  archiveKey(objectKey: string): string {
    return objectKey.slice(this.settings.prefix.length);
  }

  /**
   * Resolves with the result of the work. Rejects with the library's error, or the signal's reason.
   *
   * @param right - the right that the request needs
   * @param key - of the archive; `undefined`: the request is about the bucket
   */
  async send<T>(
    right: string,
    key: string | undefined,
    work: (sending: Sending) => Promise<T>,
    { signal }: AbortOptions = {},
  ): Promise<T> {
    signal?.throwIfAborted();
    const { name: store, bucket } = this.settings;
    if (this.#isClosed) throw new ClosedError(`store ${store}`);
    const opened = await (this.#opened ??= this.#open());
    const options = signal === undefined ? {} : { abortSignal: signal };
    try {
      return await work({ ...opened, options }).catch(async (error: unknown) => {
        const renewed = await this.#renewedAfter(error, opened);
        signal?.throwIfAborted();
        if (renewed === undefined) throw error;
        return await work({ ...renewed, options });
      });
    } catch (error) {
      signal?.throwIfAborted();
      throw s3ErrorOf(error, { store, bucket, key, right });
    }
  }

  /** Closes all connections. Idempotent. */
  close(): void {
    this.#isClosed = true;
    this.#httpAgent.destroy();
    this.#httpsAgent.destroy();
  }

  async #open(): Promise<OpenedClient> {
    const s3 = await this.#load().catch((cause: unknown) => {
      this.#opened = undefined;
      const problem = 'needs the package @aws-sdk/client-s3, which is not installed: npm install @aws-sdk/client-s3';
      throw new InvalidSpecError('stores.s3', problem, { cause });
    });
    const opened = { s3, client: this.#create(s3) };
    await opened.client.config.region().catch(() => {
      this.#opened = undefined;
      throw new InvalidSpecError('stores.s3.region', 'is missing, and the environment has none');
    });
    return opened;
  }

  #create({ S3Client }: S3Module): S3Client {
    const { region, endpoint, forcePathStyle, credentials, checksums, requestTimeoutMs } = this.settings;
    return new S3Client({
      // The SDK keeps the shared files of the first read for the life of the program. It passes its options to the
      // chain of credentials, which takes this one: a new client has the keys of files that were replaced.
      ...{ ignoreCache: true },
      ...(region === undefined ? {} : { region }),
      ...(endpoint === undefined ? {} : { endpoint }),
      ...(credentials === undefined ? {} : { credentials: providerOf(credentials) }),
      forcePathStyle,
      retryMode: 'standard',
      maxAttempts: 4,
      requestChecksumCalculation: checksums ? 'WHEN_SUPPORTED' : 'WHEN_REQUIRED',
      // A stream that verifies would stay open when its reader is destroyed; archives have digests.
      responseChecksumValidation: 'WHEN_REQUIRED',
      requestHandler: {
        connectionTimeout: connectionTimeoutMs,
        requestTimeout: requestTimeoutMs,
        throwOnRequestTimeout: true,
        // A slow reader's connection is silent. Reads have their own limit.
        socketTimeout: 0,
        httpAgent: this.#httpAgent,
        httpsAgent: this.#httpsAgent,
      },
    });
  }

  /** Returns a client with other credentials if the failure is that of credentials. */
  async #renewedAfter(error: unknown, opened: OpenedClient): Promise<OpenedClient | undefined> {
    if (isRefusedCredential(error)) return await this.#renew(opened);
    // A server that refuses a request may not read its body, and then its answer can be lost.
    return isReset(error) ? await this.#renew(opened).catch(() => undefined) : undefined;
  }

  async #renew(refused: OpenedClient): Promise<OpenedClient | undefined> {
    const current = await this.#opened;
    if (current !== refused) return current;
    this.#renewing ??= this.#differing(refused).finally(() => (this.#renewing = undefined));
    return await this.#renewing;
  }

  /**
   * Returns a client with other credentials than the refused one, or `undefined` if there are none.
   * The refused client has no resources of its own.
   */
  async #differing(refused: OpenedClient): Promise<OpenedClient | undefined> {
    const client = this.#create(refused.s3);
    const [before, now] = await Promise.all([refused.client.config.credentials(), client.config.credentials()]);
    if (before.accessKeyId === now.accessKeyId && before.secretAccessKey === now.secretAccessKey)
      if (before.sessionToken === now.sessionToken) return undefined;
    const renewed = { s3: refused.s3, client };
    this.#opened = Promise.resolve(renewed);
    return renewed;
  }
}

interface Identity {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
  expiration?: Date;
}

function providerOf(credentials: S3Credentials | (() => Promise<S3Credentials>)): () => Promise<Identity> {
  if (typeof credentials !== 'function') return async () => identityOf(credentials);
  return async () => {
    try {
      return identityOf(await credentials());
    } catch (error) {
      throw new CredentialsFailure(error);
    }
  };
}

function identityOf({ accessKeyId, secretAccessKey, sessionToken, expiration }: S3Credentials): Identity {
  return {
    accessKeyId,
    secretAccessKey,
    ...(sessionToken === undefined ? {} : { sessionToken }),
    ...(expiration === undefined ? {} : { expiration }),
  };
}
