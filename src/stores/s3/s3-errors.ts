import { isKubernetesWorkerError } from '../../errors/error-code.ts';
import { ArchiveMissingError, StoreDeniedError, StoreUnavailableError } from '../../errors/store.ts';
import { DiskFullError } from '../../errors/transfer.ts';

/** A request to the server. */
export interface S3Request {
  readonly store: string;
  readonly bucket: string;
  /** The key of the archive, if the request is about one. */
  readonly key: string | undefined;
  /** The right that the request needs. */
  readonly right: string;
}

/** The host's provider of credentials has failed. Its own error may contain anything. */
export class CredentialsFailure extends Error {
  override readonly cause: unknown;

  constructor(cause: unknown) {
    super('the provider of credentials has failed');
    this.cause = cause;
  }
}

/** What a message may contain of a failure. */
interface Failure {
  readonly name: string;
  readonly status: number | undefined;
  readonly requestId: string | undefined;
  /** The name of a failed system call or TLS handshake. */
  readonly errno: string | undefined;
}

const refusedCredentials = new Set([
  'AuthFailure',
  'CredentialsProviderError',
  'ExpiredToken',
  'ExpiredTokenException',
  'InvalidAccessKeyId',
  'InvalidClientTokenId',
  'InvalidToken',
  'RequestExpired',
  'SignatureDoesNotMatch',
  'TokenProviderError',
  'TokenRefreshRequired',
  // versitygw, with status 404.
  'XAdminUserNotFound',
]);
const unavailable = new Set([
  'BadDigest',
  'ConditionalRequestConflict',
  'IncompleteBody',
  'NoSuchUpload',
  'OperationAborted',
  'RequestTimeout',
  'SlowDown',
  'ThrottlingException',
  'TimeoutError',
  'TooManyRequests',
]);
/** Other answers with status 404 are those of proxies, or about accounts. */
const missing = new Set(['NoSuchKey', 'NotFound']);
const full = new Set(['InsufficientStorage', 'QuotaExceeded', 'XMinioStorageFull']);
const otherRegion = new Set([
  'AuthorizationHeaderMalformed',
  'IllegalLocationConstraintException',
  'PermanentRedirect',
]);

/** Whether the server has closed the connection of a request. */
export function isReset(error: unknown): boolean {
  return /^(ECONNRESET|EPIPE)$/.test(failureOf(error).errno ?? '');
}

/** Whether the server refuses the credentials themselves, not a right. */
export function isRefusedCredential(error: unknown): boolean {
  const { name, status } = failureOf(error);
  return refusedCredentials.has(name) || status === 401;
}

/** The code of the server's error, such as `NoSuchKey`. */
export function s3CodeOf(error: unknown): string {
  return failureOf(error).name;
}

/**
 * Returns the library's error for a failure of the SDK. It has the code, the status and the request
 * ID of the failure, and no cause: the SDK's errors refer to responses with their headers, and the
 * errors of credential helpers contain what these print.
 */
export function s3ErrorOf(error: unknown, request: S3Request): unknown {
  if (isKubernetesWorkerError(error) || error instanceof TypeError) return error;
  const { bucket, right } = request;
  const facts = { store: request.store, key: request.key };
  if (error instanceof CredentialsFailure && failureOf(error.cause).errno === undefined)
    return new StoreDeniedError(facts, right, `the provider of credentials has failed (${nameOf(error.cause)})`);
  const failure = failureOf(error instanceof CredentialsFailure ? error.cause : error);
  const { name, status, errno } = failure;
  const detail = describe(failure);
  const denied = (problem: string): StoreDeniedError => new StoreDeniedError(facts, right, `${problem} (${detail})`);
  if (refusedCredentials.has(name)) return denied('the credentials are missing, invalid or expired');
  if (name === 'NoSuchBucket') return denied(`bucket ${bucket} does not exist`);
  if (otherRegion.has(name) || status === 301) return denied(`bucket ${bucket} is in another region: set region`);
  if (full.has(name) || status === 507)
    return new DiskFullError({ store: request.store }, `bucket ${bucket} (${detail})`);
  if (unavailable.has(name) || status === 408 || status === 429 || (status ?? 0) >= 500)
    return new StoreUnavailableError(facts, detail);
  if (missing.has(name) && facts.key !== undefined)
    return new ArchiveMissingError({ store: facts.store, key: facts.key });
  if (name === 'NotFound') return denied(`bucket ${bucket} does not exist`);
  if (status === 412) return denied('the key exists already');
  if (status !== undefined && status >= 400)
    return denied(status === 403 ? 'access is denied' : 'the request is refused');
  if (errno !== undefined) return new StoreUnavailableError(facts, isUntrusted(errno) ? `${detail}: set ca` : detail);
  return isOfSdk(error) ? new StoreUnavailableError(facts, detail) : error;
}

function failureOf(error: unknown): Failure {
  const { $metadata, $response, code } = record(error);
  const { httpStatusCode, requestId } = record($metadata);
  const status = httpStatusCode ?? record($response)['statusCode'];
  return {
    name: nameOf(error),
    status: typeof status === 'number' ? status : undefined,
    requestId: isWord(requestId) ? requestId : undefined,
    errno: isWord(code) && /^[A-Z][A-Z0-9_]+$/.test(code) ? code : undefined,
  };
}

function describe({ name, status, requestId, errno }: Failure): string {
  const parts = [errno ?? name];
  if (status !== undefined) parts.push(`status ${status}`);
  if (requestId !== undefined) parts.push(`request ID ${requestId}`);
  return parts.join(', ');
}

function nameOf(error: unknown): string {
  const { name } = record(error);
  return isWord(name) ? name : 'unknown error';
}

function isWord(value: unknown): value is string {
  return typeof value === 'string' && /^[A-Za-z0-9_.:+/=-]{1,128}$/.test(value);
}

function isUntrusted(errno: string): boolean {
  return /CERT|SELF_SIGNED|VERIFY|ISSUER/.test(errno);
}

function isOfSdk(error: unknown): boolean {
  return typeof error === 'object' && error !== null && ('$metadata' in error || '$response' in error);
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
}
