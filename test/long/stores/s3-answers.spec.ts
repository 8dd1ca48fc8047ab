import { expect } from 'chai';

import { systemClock } from '../../../src/internal/system-clock.ts';
import type { S3StoreOptions } from '../../../src/runtime/s3-store-options.ts';
import { PartBuffers } from '../../../src/stores/s3/part-buffers.ts';
import { openS3Store, type S3Store } from '../../../src/stores/s3/s3-store.ts';
import { rejection } from '../../support/rejection.ts';
import { silentLogger } from '../../support/silent-logger.ts';
import { allOf, contentOf, inChunks, seededBytes } from '../../support/stores/archive-bytes.ts';
import { type RelayAnswer, type RelayedRequest, S3Relay } from '../../support/stores/s3-relay.ts';
import { hasS3Server, Versitygw } from '../../support/stores/versitygw.ts';

const partBytes = 5 * 1_048_576;
const slowDown: RelayAnswer = { status: 503, code: 'SlowDown' };

describe('an S3 store and the answers of its server', () => {
  let server: Versitygw;
  let relay: S3Relay;
  let buffers: PartBuffers;
  let store: S3Store;
  let keys = 0;
  const newKey = (): string => `answers/00/a-${(keys += 1)}.tar.zst`;
  const open = (more: Partial<S3StoreOptions> = {}): S3Store =>
    openS3Store(server.options({ partSizeBytes: partBytes, ...more }, relay.port), {
      clock: systemClock(),
      logger: silentLogger,
      buffers,
    });
  const isPart = ({ path }: RelayedRequest): boolean => path.includes('partNumber=');
  /** Answers the next requests that match. */
  const answerNext = (times: number, answer: RelayAnswer, matches: (request: RelayedRequest) => boolean): void => {
    let left = times;
    relay.intercept = (request) => {
      if (left === 0 || !matches(request)) return undefined;
      left -= 1;
      return answer;
    };
  };

  before(async function () {
    if (!(await hasS3Server())) return this.skip();
    server = await Versitygw.start();
  });

  beforeEach(async () => {
    relay = await S3Relay.start(server.port);
    buffers = new PartBuffers();
    store = open();
  });

  afterEach(async () => {
    await store?.close();
    await relay?.close();
  });

  after(async () => {
    await server?.[Symbol.asyncDispose]();
  });

  it('repeats requests that are answered with SlowDown', async () => {
    const [key, bytes] = [newKey(), seededBytes(2 * partBytes + 1)];
    answerNext(3, slowDown, isPart);
    await store.write(key, inChunks(bytes));
    answerNext(3, slowDown, ({ method }) => method === 'GET');
    expect((await contentOf(await store.read(key))).equals(bytes)).to.equal(true);
    answerNext(3, slowDown, ({ method }) => method === 'DELETE');
    expect(await store.delete(key)).to.equal(true);
  });

  it('rejects with StoreUnavailableError after four answers of SlowDown, and aborts the upload', async () => {
    const key = newKey();
    answerNext(100, slowDown, isPart);
    const failure = await rejection(store.write(key, inChunks(seededBytes(partBytes))));
    expect(failure).to.include({ code: 'KW_ERR_STORE_UNAVAILABLE', key, retryable: true });
    expect(relay.requests.filter(isPart)).to.have.lengthOf(4);
    expect(await allOf(store.list(key))).to.deep.equal([]);
    expect(buffers.held).to.equal(0);
  });

  it('rejects with DiskFullError if the server is full in the middle of an upload, and leaves no part', async () => {
    const key = newKey();
    answerNext(100, { status: 507, code: 'InsufficientStorage' }, ({ path }) => path.includes('partNumber=2'));
    const failure = await rejection(store.write(key, inChunks(seededBytes(3 * partBytes))));
    expect(failure).to.include({ code: 'KW_ERR_DISK_FULL', store: 's3' });
    expect(await allOf(store.list(key))).to.deep.equal([]);
    expect(buffers.held).to.equal(0);
  });

  for (const checksums of [false, true])
    it(`sends ${checksums ? 'checksums if they are an option' : 'no checksum to a server of an endpoint'}`, async () => {
      const [checked, key] = [open({ checksums }), newKey()];
      await checked.write(key, inChunks(seededBytes(partBytes + 1)));
      await checked.write(`${key}-small`, inChunks(seededBytes(1)));
      await contentOf(await checked.read(key));
      await checked.delete(key);
      const names = relay.requests.flatMap(({ headers, path }) => [...Object.keys(headers), path]);
      const found = names.filter((name) => /checksum|x-amz-trailer|content-md5/i.test(name));
      if (checksums) expect(found).to.include.members(['x-amz-checksum-crc32', 'x-amz-sdk-checksum-algorithm']);
      else expect(found).to.deep.equal([]);
      // One request for each key: a request for several needs a checksum in any case.
      expect(relay.requests.filter(({ path }) => path.includes('?delete'))).to.deep.equal([]);
      await checked.close();
    });

  for (const checksums of [false, true])
    it(`stores nothing if a byte changes on its way, ${checksums ? 'with' : 'without'} checksums`, async () => {
      for (const length of [100, partBytes + 1]) {
        const [checked, key] = [open({ checksums }), newKey()];
        relay.intercept = ({ method, body }) => {
          if (method === 'PUT') body[50]! ^= 1;
          return undefined;
        };
        const failure = await rejection(checked.write(key, inChunks(seededBytes(length))));
        expect(failure).to.have.property('store', 's3');
        relay.intercept = () => undefined;
        expect(await allOf(checked.list(key))).to.deep.equal([]);
        await checked.close();
      }
    });
});
