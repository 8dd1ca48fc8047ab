import { Readable } from 'node:stream';

import { expect } from 'chai';

import type { S3StoreOptions } from '../../../../src/runtime/s3-store-options.ts';
import { PartBuffers } from '../../../../src/stores/s3/part-buffers.ts';
import { openS3Store, type S3Store } from '../../../../src/stores/s3/s3-store.ts';
import { rejection } from '../../../support/rejection.ts';
import { allOf, contentOf, inChunks, seededBytes } from '../../../support/stores/archive-bytes.ts';
import { ScriptedS3, s3Failure } from '../../../support/stores/scripted-s3.ts';
import { VirtualClock } from '../../../support/virtual-clock.ts';

const key = 'installation/ab/archive-1.tar.zst';

describe('an S3 store', () => {
  let s3: ScriptedS3;
  let store: S3Store;
  const logged: string[] = [];
  const log = (message: string): void => void logged.push(message);
  const logger = { debug: log, info: log, warn: log, error: log };
  const open = (more: Partial<S3StoreOptions> = {}): S3Store =>
    openS3Store(
      { bucket: 'artifacts', prefix: 'ci', ...more },
      { clock: new VirtualClock(), logger, buffers: new PartBuffers(), load: s3.load },
    );
  /** The write ID of the last object that was sent. */
  const writeId = () => {
    const { input } = s3.requests.findLast((request) => request.input['Metadata'] !== undefined)!;
    return input['Metadata'];
  };

  beforeEach(() => {
    s3 = new ScriptedS3();
    store = open();
    logged.length = 0;
  });

  it('bounds the time and the number of tries of requests', async () => {
    await open({ requestTimeoutMs: 5_000 }).probe();
    expect(s3.configs[0]).to.include({ retryMode: 'standard', maxAttempts: 4 });
    expect(s3.configs[0]!['requestHandler']).to.include({
      connectionTimeout: 10_000,
      requestTimeout: 5_000,
      throwOnRequestTimeout: true,
      socketTimeout: 0,
    });
  });

  it('sends no checksums to another server than Amazon, unless they are an option', async () => {
    for (const [options, calculation, algorithm] of [
      [{}, 'WHEN_SUPPORTED', 'CRC32'],
      [{ endpoint: 'https://s3.example.com' }, 'WHEN_REQUIRED', undefined],
      [{ endpoint: 'https://s3.example.com', checksums: true }, 'WHEN_SUPPORTED', 'CRC32'],
    ] as const) {
      await open(options).write(key, inChunks(seededBytes(1)));
      expect(s3.configs.at(-1)).to.include({ requestChecksumCalculation: calculation });
      expect(s3.requests.at(-1)!.input['ChecksumAlgorithm']).to.equal(algorithm);
    }
  });

  it('sends the prefix, the encryption and the storage class with each object', async () => {
    const options = { serverSideEncryption: 'aws:kms', kmsKeyId: 'key-1', storageClass: 'STANDARD_IA' } as const;
    await open(options).write(key, inChunks(seededBytes(1)));
    expect(s3.requests[0]!.input).to.include({
      Bucket: 'artifacts',
      Key: `ci/${key}`,
      IfNoneMatch: '*',
      ServerSideEncryption: 'aws:kms',
      SSEKMSKeyId: 'key-1',
      StorageClass: 'STANDARD_IA',
    });
  });

  it('sends no conditions after the server has reported that it lacks them', async () => {
    s3.answer = ({ input }) => {
      if (input['IfNoneMatch'] !== undefined) throw s3Failure('NotImplemented', 501);
      return {};
    };
    await store.write(key, inChunks(seededBytes(1)));
    await store.write(`${key}2`, inChunks(seededBytes(1)));
    expect(s3.requests.map(({ input }) => input['IfNoneMatch'])).to.deep.equal(['*', undefined, undefined]);
    expect(logged).to.deep.equal(['the server has no conditional writes']);
  });

  it('sends no conditions if they are switched off', async () => {
    await open({ conditionalWrites: false }).write(key, inChunks(seededBytes(1)));
    expect(s3.requests[0]!.input['IfNoneMatch']).to.equal(undefined);
  });

  for (const [name, status, length] of [
    ['PreconditionFailed', 412, 1],
    ['PreconditionFailed', 412, 9_000_000],
    ['NoSuchUpload', 404, 9_000_000],
  ] as const)
    describe(`when the end of a write of ${length} bytes is refused with ${name}`, () => {
      const answer =
        (metadata: () => unknown): ScriptedS3['answer'] =>
        ({ name: request }) => {
          if (request === (length === 1 ? 'PutObject' : 'CompleteMultipartUpload')) throw s3Failure(name, status);
          if (request === 'HeadObject') return { Metadata: metadata() };
          return request === 'CreateMultipartUpload' ? { UploadId: 'upload' } : { ETag: '"1"' };
        };

      it('resolves if the object is of this write: the answer to an earlier try was lost', async () => {
        s3.answer = answer(writeId);
        expect((await store.write(key, inChunks(seededBytes(length)))).storedBytes).to.equal(length);
      });

      it('rejects if the object is of another write', async () => {
        s3.answer = answer(() => ({ 'kw-write': 'another' }));
        const failure = await rejection(store.write(key, inChunks(seededBytes(length))));
        expect(failure).to.include({ key, retryable: status === 404 });
      });
    });

  describe('when the connections of a write are reset', () => {
    const reset = (): never => {
      throw Object.assign(new Error('reset'), { name: 'Error', code: 'ECONNRESET', $metadata: {} });
    };
    const answer =
      (head: () => object): ScriptedS3['answer'] =>
      ({ name }) =>
        name === 'HeadObject' ? head() : reset();

    it('resolves if the object is of this write: the answers of all tries were lost', async () => {
      s3.answer = answer(() => ({ Metadata: writeId() }));
      expect((await store.write(key, inChunks(seededBytes(100)))).storedBytes).to.equal(100);
    });

    for (const [what, head] of [
      ['the object is of another write', () => ({ Metadata: { 'kw-write': 'another' } })],
      ['the server does not tell whose the object is', () => reset()],
      [
        'the credentials do not permit to ask',
        () => {
          throw s3Failure('AccessDenied', 403);
        },
      ],
    ] as const)
      it(`rejects with StoreUnavailableError if ${what}`, async () => {
        s3.answer = answer(head);
        const failure = await rejection(store.write(key, inChunks(seededBytes(100))));
        expect(failure).to.include({ code: 'KW_ERR_STORE_UNAVAILABLE', key, retryable: true });
      });
  });

  it('does not delete an object that does not exist', async () => {
    s3.answer = ({ name }) => {
      if (name === 'HeadObject') throw s3Failure('NotFound', 404);
      return {};
    };
    expect(await store.delete(key)).to.equal(false);
    expect(s3.names).to.deep.equal(['ListMultipartUploads', 'HeadObject']);
  });

  it('aborts the uploads of a key, not those of keys that begin with it', async () => {
    const uploads = [`ci/${key}`, `ci/${key}2`].map((Key, index) => ({
      Key,
      UploadId: `${index}`,
      Initiated: new Date(0),
    }));
    s3.answer = ({ name }) => {
      if (name === 'HeadObject') throw s3Failure('NotFound', 404);
      return name === 'ListMultipartUploads' ? { Uploads: uploads } : {};
    };
    expect(await store.delete(key)).to.equal(true);
    expect(
      s3.requests.filter(({ name }) => name === 'AbortMultipartUpload').map(({ input }) => input['UploadId']),
    ).to.deep.equal(['0']);
  });

  it('rejects a list whose page does not tell where the next one begins', async () => {
    s3.answer = ({ name }) => (name === 'ListObjectsV2' ? { IsTruncated: true } : {});
    expect(await rejection(allOf(store.list('')))).to.have.property('code', 'KW_ERR_STORE_UNAVAILABLE');
  });

  it('rejects a list whose later page fails', async () => {
    s3.answer = ({ input }) => {
      if (input['ContinuationToken'] === 'more') throw s3Failure('SlowDown', 503);
      return { IsTruncated: true, NextContinuationToken: 'more' };
    };
    expect(await rejection(allOf(store.list('')))).to.have.property('code', 'KW_ERR_STORE_UNAVAILABLE');
  });

  it('rejects and releases an answer to a read that has neither status 200 nor 206', async () => {
    const body = Readable.from([seededBytes(1)]);
    s3.answer = () => ({ $metadata: { httpStatusCode: 203 }, Body: body, ContentLength: 1 });
    expect(await rejection(store.read(key))).to.have.property('code', 'KW_ERR_STORE_UNAVAILABLE');
    expect(body.destroyed).to.equal(true);
  });

  it('returns nothing from the end of an archive on', async () => {
    s3.answer = () => {
      throw s3Failure('InvalidRange', 416);
    };
    expect(await contentOf(await store.read(key, { offset: 10 }))).to.have.lengthOf(0);
  });

  it('rejects with ArchiveDamagedError if the version has changed after a cut', async () => {
    s3.answer = ({ input }) => {
      if (input['IfMatch'] === '"1"') throw s3Failure('PreconditionFailed', 412);
      const body = Readable.from([seededBytes(1)], { objectMode: false });
      return { $metadata: { httpStatusCode: 200 }, Body: body, ContentLength: 10, ETag: '"1"' };
    };
    const clock = new VirtualClock();
    const damaged = openS3Store({ bucket: 'artifacts' }, { clock, logger, buffers: new PartBuffers(), load: s3.load });
    const reading = rejection(contentOf(await damaged.read(key)));
    await clock.advance(1_000);
    expect(await reading).to.have.property('code', 'KW_ERR_ARCHIVE_DAMAGED');
  });

  it('repeats a refused request only with other credentials', async () => {
    const refuse = (): never => {
      throw s3Failure('ExpiredToken', 400);
    };
    let number = 1;
    const rotated = open({ credentials: async () => ({ accessKeyId: `AKID${number}`, secretAccessKey: 'secret' }) });
    s3.answer = refuse;
    expect(await rejection(rotated.probe())).to.have.property('code', 'KW_ERR_STORE_DENIED');
    expect(s3.names).to.have.lengthOf(1);
    s3.answer = () => {
      s3.answer = () => ({});
      number = 2;
      return refuse();
    };
    await rotated.probe();
    expect(s3.names).to.have.lengthOf(3);
    s3.answer = refuse;
    expect(await rejection(open().probe())).to.have.property('code', 'KW_ERR_STORE_DENIED');
    expect(s3.names).to.have.lengthOf(4);
  });

  it('repeats a request without an answer once if the credentials were replaced meanwhile', async () => {
    const reset = (): never => {
      throw Object.assign(new Error('reset'), { name: 'Error', code: 'ECONNRESET', $metadata: {} });
    };
    const first = { accessKeyId: 'AKID1', secretAccessKey: 'secret' };
    let credentials = async () => first;
    const rotated = open({ credentials: () => credentials() });
    s3.answer = reset;
    expect(await rejection(rotated.probe())).to.have.property('code', 'KW_ERR_STORE_UNAVAILABLE');
    expect(s3.names).to.have.lengthOf(1);
    credentials = () => Promise.reject(new Error('the provider is away as well'));
    expect(await rejection(rotated.probe())).to.have.property('code', 'KW_ERR_STORE_UNAVAILABLE');
    expect(s3.names).to.have.lengthOf(2);
    s3.answer = () => {
      s3.answer = () => ({});
      credentials = async () => ({ ...first, accessKeyId: 'AKID2' });
      return reset();
    };
    credentials = async () => first;
    await rotated.probe();
    expect(s3.names).to.have.lengthOf(4);
  });

  it('rejects with ClosedError after it was closed', async () => {
    await store.close();
    expect(await rejection(store.probe())).to.have.property('code', 'KW_ERR_CLOSED');
  });
});
