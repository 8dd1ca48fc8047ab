/**
 * Keys of an S3 account.
 *
 * @public
 */
export interface S3Credentials {
  /** The ID of the access key. */
  readonly accessKeyId: string;
  /** The secret of the access key. It occurs in no message and no log. */
  readonly secretAccessKey: string;
  /** The token of temporary credentials. @defaultValue the credentials are not temporary */
  readonly sessionToken?: string | undefined;
  /**
   * When the credentials expire. A provider is called again some minutes earlier.
   *
   * @defaultValue they do not expire
   */
  readonly expiration?: Date | undefined;
}

/**
 * An archive store in a bucket of Amazon S3, or of a server with the same interface. Requires the
 * package `@aws-sdk/client-s3`. `docs/stores.md` lists the rights and the servers that were tried.
 *
 * @public
 */
export interface S3StoreOptions {
  /** The name of the bucket, which exists. */
  readonly bucket: string;
  /** What the keys of all objects begin with, such as `ci/`. @defaultValue none */
  readonly prefix?: string | undefined;
  /**
   * The region of the bucket.
   *
   * @defaultValue that of the environment or the shared configuration; with an `endpoint`, `us-east-1`
   */
  readonly region?: string | undefined;
  /** The URL of the server. @defaultValue that of Amazon S3 in the region */
  readonly endpoint?: string | undefined;
  /**
   * Whether the bucket is in the path of the URL instead of the host name, as most servers other than
   * Amazon's need it.
   *
   * @defaultValue true with an `endpoint`, otherwise false
   */
  readonly forcePathStyle?: boolean | undefined;
  /**
   * The credentials, or a function that returns current ones. The function is called at first use,
   * before the expiration of what it has returned, and when the server refuses the credentials.
   *
   * @defaultValue the chain of the AWS SDK: environment, shared files, web identity, instance
   */
  readonly credentials?: S3Credentials | (() => Promise<S3Credentials>) | undefined;
  /** How the server encrypts objects. @defaultValue as the bucket is configured */
  readonly serverSideEncryption?: 'AES256' | 'aws:kms' | 'aws:kms:dsse' | undefined;
  /** The key for `aws:kms`. @defaultValue the account's default key */
  readonly kmsKeyId?: string | undefined;
  /** The storage class of objects, such as `STANDARD_IA`. @defaultValue the server's default */
  readonly storageClass?: string | undefined;
  /**
   * The size of the parts of an upload, in bytes, from 5 MiB to 512 MiB. An archive has at most
   * 10,000 parts. Each upload keeps up to `concurrency + 1` parts in memory.
   *
   * @defaultValue 8,388,608
   */
  readonly partSizeBytes?: number | undefined;
  /** The number of parts of one archive that are sent at the same time, from 1 to 7. @defaultValue 2 */
  readonly concurrency?: number | undefined;
  /**
   * Whether requests carry a CRC-32 of their bytes, which some servers refuse. Archives have digests
   * of their own in any case.
   *
   * @defaultValue true; with an `endpoint`, false
   */
  readonly checksums?: boolean | undefined;
  /**
   * Whether the server is asked to refuse a second object of a key (`If-None-Match`). This is an
   * additional safeguard, because the library uses each key once. It is turned off when the server
   * reports that it does not support the condition.
   *
   * @defaultValue true
   */
  readonly conditionalWrites?: boolean | undefined;
  /**
   * The certificates, in PEM, of the authorities that the server's certificate may have.
   *
   * @defaultValue those of Node.js, with `NODE_EXTRA_CA_CERTS`
   */
  readonly ca?: string | undefined;
  /**
   * How long a request may take, with a part of `partSizeBytes`, until the server answers, and how
   * long a download may be silent, in milliseconds. A request is tried four times.
   *
   * @defaultValue 60,000
   */
  readonly requestTimeoutMs?: number | undefined;
  /** The name that is stored with each archive. @defaultValue `s3` */
  readonly name?: string | undefined;
}
