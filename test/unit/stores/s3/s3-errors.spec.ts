import { inspect } from 'node:util';

import { expect } from 'chai';

import { CredentialsFailure, s3ErrorOf } from '../../../../src/stores/s3/s3-errors.ts';

const key = 'installation/ab/archive-1.tar.zst';
const secret = 'wJalrXUtnFEMI';

/** An error as the SDK rejects with it, with secrets where the SDK or a server may have some. */
function failure(name: string, status?: number, code?: string): Error {
  const error = Object.assign(new Error(`Authorization: AWS4-HMAC-SHA256 Signature=${secret}`), {
    ...(status === undefined ? {} : { $metadata: { httpStatusCode: status, requestId: 'REQUEST-1' } }),
    $response: { statusCode: status, headers: { authorization: secret } },
    StringToSign: secret,
    ...(code === undefined ? {} : { code }),
  });
  error.name = name;
  return error;
}

describe('the errors of S3', () => {
  const request = { store: 's3', bucket: 'artifacts', key, right: 's3:PutObject' };
  const errorOf = (error: unknown): Error => s3ErrorOf(error, request) as Error;

  for (const [name, status, code, expected] of [
    ['SlowDown', 503, undefined, 'KW_ERR_STORE_UNAVAILABLE'],
    ['InternalError', 500, undefined, 'KW_ERR_STORE_UNAVAILABLE'],
    ['Unknown', 502, undefined, 'KW_ERR_STORE_UNAVAILABLE'],
    ['TooManyRequests', 429, undefined, 'KW_ERR_STORE_UNAVAILABLE'],
    ['RequestTimeout', 400, undefined, 'KW_ERR_STORE_UNAVAILABLE'],
    ['NoSuchUpload', 404, undefined, 'KW_ERR_STORE_UNAVAILABLE'],
    ['ConditionalRequestConflict', 409, undefined, 'KW_ERR_STORE_UNAVAILABLE'],
    ['Error', undefined, 'ECONNRESET', 'KW_ERR_STORE_UNAVAILABLE'],
    ['Error', undefined, 'ECONNREFUSED', 'KW_ERR_STORE_UNAVAILABLE'],
    ['Error', undefined, 'ENOTFOUND', 'KW_ERR_STORE_UNAVAILABLE'],
    ['TimeoutError', undefined, 'ETIMEDOUT', 'KW_ERR_STORE_UNAVAILABLE'],
    ['AccessDenied', 403, undefined, 'KW_ERR_STORE_DENIED'],
    ['Unknown', 403, undefined, 'KW_ERR_STORE_DENIED'],
    ['ExpiredToken', 400, undefined, 'KW_ERR_STORE_DENIED'],
    ['InvalidAccessKeyId', 403, undefined, 'KW_ERR_STORE_DENIED'],
    ['SignatureDoesNotMatch', 403, undefined, 'KW_ERR_STORE_DENIED'],
    ['CredentialsProviderError', undefined, undefined, 'KW_ERR_STORE_DENIED'],
    ['NoSuchBucket', 404, undefined, 'KW_ERR_STORE_DENIED'],
    ['PermanentRedirect', 301, undefined, 'KW_ERR_STORE_DENIED'],
    ['PreconditionFailed', 412, undefined, 'KW_ERR_STORE_DENIED'],
    ['XAdminUserNotFound', 404, undefined, 'KW_ERR_STORE_DENIED'],
    ['UnknownError', 404, undefined, 'KW_ERR_STORE_DENIED'],
    ['EntityTooLarge', 400, undefined, 'KW_ERR_STORE_DENIED'],
    ['NoSuchKey', 404, undefined, 'KW_ERR_ARCHIVE_MISSING'],
    ['NotFound', 404, undefined, 'KW_ERR_ARCHIVE_MISSING'],
    ['QuotaExceeded', 403, undefined, 'KW_ERR_DISK_FULL'],
  ] as const)
    it(`are ${expected} for ${name}, status ${status ?? 'none'}${code === undefined ? '' : `, ${code}`}`, () => {
      const error = errorOf(failure(name, status, code));
      expect(error).to.have.property('code', expected);
      expect(inspect(error, { depth: 10, showHidden: true })).to.not.include(secret);
    });

  it('have the right, the code, the status, the request ID and the key', () => {
    const error = errorOf(failure('AccessDenied', 403));
    expect(error).to.include({ store: 's3', key, right: 's3:PutObject' });
    for (const part of ['s3:PutObject', 'AccessDenied', '403', 'REQUEST-1', key])
      expect(error.message).to.include(part);
  });

  it('name the bucket that does not exist, or is in another region', () => {
    expect(errorOf(failure('NoSuchBucket', 404)).message).to.include('bucket artifacts does not exist');
    const listing = s3ErrorOf(failure('NotFound', 404), { ...request, key: undefined }) as Error;
    expect(listing.message).to.include('bucket artifacts does not exist');
    expect(errorOf(failure('PermanentRedirect', 301)).message).to.include('another region: set region');
  });

  it('name the store that is full', () => {
    expect(errorOf(failure('QuotaExceeded', 403)).message).to.include('store "s3" is full: bucket artifacts');
  });

  it('name the option for a certificate that is not trusted', () => {
    expect(errorOf(failure('Error', undefined, 'SELF_SIGNED_CERT_IN_CHAIN')).message).to.include('set ca');
  });

  it('name the cause of missing credentials, and do not contain what a provider has reported', () => {
    const error = errorOf(new CredentialsFailure(failure('AssumeRoleError')));
    expect(error).to.have.property('code', 'KW_ERR_STORE_DENIED');
    expect(error.message).to.include('the provider of credentials has failed (AssumeRoleError)');
    expect(inspect(error, { depth: 10, showHidden: true })).to.not.include(secret);
    const unreachable = errorOf(new CredentialsFailure(failure('Error', undefined, 'ECONNREFUSED')));
    expect(unreachable).to.have.property('code', 'KW_ERR_STORE_UNAVAILABLE');
  });

  it('do not repeat names and IDs that are no single words', () => {
    const error = errorOf(failure(`a name with ${secret}`, 500));
    expect(error.message).to.not.include(secret);
  });

  it('are those of the program where the program fails', () => {
    const fault = new TypeError('x is not a function');
    expect(errorOf(fault)).to.equal(fault);
  });
});
