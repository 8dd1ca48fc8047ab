import { InvalidSpecError } from '../../errors/caller.ts';
import type { S3StoreOptions } from '../../runtime/s3-store-options.ts';
import { defaultS3StoreName } from '../store-names.ts';

type Optional = 'region' | 'endpoint' | 'credentials' | 'serverSideEncryption' | 'kmsKeyId' | 'storageClass' | 'ca';

/** Valid options with their defaults. The prefix is empty or ends with `/`. */
export type S3Settings = {
  readonly [Name in Exclude<keyof S3StoreOptions, Optional>]-?: Exclude<S3StoreOptions[Name], undefined>;
} & Pick<S3StoreOptions, Optional>;

const MiB = 1_048_576;
/** The largest number of parts of an object. */
export const maxParts = 10_000;

/**
 * Returns the settings of valid options.
 *
 * @throws InvalidSpecError - names the field
 */
export function s3Settings(options: S3StoreOptions): S3Settings {
  const { bucket, prefix = '', endpoint, region, name = defaultS3StoreName } = options;
  const settings: S3Settings = {
    ...options,
    name,
    bucket,
    prefix: prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/`,
    region: region ?? (endpoint === undefined ? undefined : 'us-east-1'),
    forcePathStyle: options.forcePathStyle ?? endpoint !== undefined,
    partSizeBytes: options.partSizeBytes ?? 8 * MiB,
    concurrency: options.concurrency ?? 2,
    checksums: options.checksums ?? endpoint === undefined,
    conditionalWrites: options.conditionalWrites ?? true,
    requestTimeoutMs: options.requestTimeoutMs ?? 60_000,
  };
  const { partSizeBytes, concurrency, requestTimeoutMs } = settings;
  check('name', /^[a-z0-9][a-z0-9-]{0,62}$/.test(name) && name !== 'pod', 'is not a name of a-z, 0-9 and -, or is pod');
  check('bucket', /^[A-Za-z0-9][A-Za-z0-9._-]{1,254}$/.test(bucket), 'is not the name of a bucket');
  check('prefix', /^([A-Za-z0-9_.-]+\/)*([A-Za-z0-9_.-]+)?$/.test(prefix), 'has other characters than A-Za-z0-9_.-/');
  check('endpoint', endpoint === undefined || isHttpUrl(endpoint), 'is not a URL of http or https without a password');
  check('partSizeBytes', isWithin(partSizeBytes, 5 * MiB, 512 * MiB), 'is not from 5 MiB to 512 MiB');
  check('concurrency', isWithin(concurrency, 1, 7), 'is not an integer from 1 to 7');
  check('requestTimeoutMs', isWithin(requestTimeoutMs, 1, 3_600_000), 'is not an integer from 1 to 3,600,000');
  return settings;
}

function check(field: keyof S3StoreOptions, isValid: boolean, problem: string): void {
  if (!isValid) throw new InvalidSpecError(`stores.s3.${field}`, problem);
}

function isWithin(value: number, least: number, most: number): boolean {
  return Number.isSafeInteger(value) && value >= least && value <= most;
}

function isHttpUrl(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && /^https?:$/.test(url.protocol) && url.username === '' && url.password === '';
}
