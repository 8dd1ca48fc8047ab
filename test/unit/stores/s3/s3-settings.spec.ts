import { expect } from 'chai';

import { InvalidSpecError } from '../../../../src/errors/caller.ts';
import type { S3StoreOptions } from '../../../../src/runtime/s3-store-options.ts';
import { PartBuffers } from '../../../../src/stores/s3/part-buffers.ts';
import { s3Settings } from '../../../../src/stores/s3/s3-settings.ts';
import { openS3Store } from '../../../../src/stores/s3/s3-store.ts';
import { rejection } from '../../../support/rejection.ts';
import { silentLogger } from '../../../support/silent-logger.ts';
import { VirtualClock } from '../../../support/virtual-clock.ts';

describe('the options of an S3 store', () => {
  it('have the defaults of Amazon S3', () => {
    expect(s3Settings({ bucket: 'artifacts' })).to.deep.equal({
      name: 's3',
      bucket: 'artifacts',
      prefix: '',
      region: undefined,
      forcePathStyle: false,
      partSizeBytes: 8_388_608,
      concurrency: 2,
      checksums: true,
      conditionalWrites: true,
      requestTimeoutMs: 60_000,
    });
  });

  it('have the defaults of another server with an endpoint', () => {
    expect(s3Settings({ bucket: 'artifacts', endpoint: 'https://s3.example.com' })).to.include({
      region: 'us-east-1',
      forcePathStyle: true,
      checksums: false,
    });
  });

  it('end the prefix with a slash', () => {
    expect(s3Settings({ bucket: 'artifacts', prefix: 'ci/a' }).prefix).to.equal('ci/a/');
    expect(s3Settings({ bucket: 'artifacts', prefix: 'ci/' }).prefix).to.equal('ci/');
  });

  for (const [field, value] of [
    ['bucket', ''],
    ['bucket', 'a/b'],
    ['name', 'pod'],
    ['name', 'a b'],
    ['prefix', '/ci'],
    ['prefix', 'ci//a'],
    ['prefix', 'a b'],
    ['endpoint', 's3.example.com'],
    ['endpoint', 'ftp://s3.example.com'],
    ['endpoint', 'https://user:password@s3.example.com'],
    ['partSizeBytes', 1_048_576],
    ['partSizeBytes', 5_242_880.5],
    ['concurrency', 0],
    ['concurrency', 8],
    ['requestTimeoutMs', 0],
  ] as const)
    it(`refuse ${field} ${JSON.stringify(value)}`, () => {
      const options = { bucket: 'artifacts', [field]: value } as S3StoreOptions;
      expect(() => s3Settings(options))
        .to.throw(InvalidSpecError)
        .with.property('field', `stores.s3.${field}`);
    });

  it('need the package of the client, which the error of the first call names', async () => {
    const store = openS3Store(
      { bucket: 'artifacts' },
      {
        clock: new VirtualClock(),
        logger: silentLogger,
        buffers: new PartBuffers(),
        load: () => Promise.reject(new Error('Cannot find package')),
      },
    );
    const failure = await rejection(store.probe());
    expect(failure).to.have.property('code', 'KW_ERR_INVALID_SPEC');
    expect(failure.message).to.include('npm install @aws-sdk/client-s3');
  });
});
