import { createHash } from 'node:crypto';

import { expect } from 'chai';

import { systemClock } from '../../../src/internal/system-clock.ts';
import { PartBuffers } from '../../../src/stores/s3/part-buffers.ts';
import { openS3Store } from '../../../src/stores/s3/s3-store.ts';
import { describeArchiveStore } from '../../contract/stores/describe-archive-store.ts';
import { silentLogger } from '../../support/silent-logger.ts';
import { seededBytes } from '../../support/stores/archive-bytes.ts';
import { hasS3Server, Versitygw } from '../../support/stores/versitygw.ts';

const partBytes = 5 * 1_048_576;
const components = () => ({ clock: systemClock(), logger: silentLogger, buffers: new PartBuffers() });

for (const isTls of [false, true])
  describe(`versitygw ${isTls ? 'with' : 'without'} TLS`, function () {
    this.timeout(300_000);
    let server: Versitygw | undefined;

    before(async function () {
      if (!(await hasS3Server())) return this.skip();
      server = await Versitygw.start({ isTls });
    });

    after(async () => {
      await server?.[Symbol.asyncDispose]();
    });

    describeArchiveStore('an S3 store', {
      open: async () => openS3Store(server!.options({ prefix: 'ci/', partSizeBytes: partBytes }), components()),
      partBytes,
      listedKeys: isTls ? 25 : 1100,
      largeBytes: 1_073_741_824,
    });

    it('returns 1 GiB that was written', async () => {
      const store = openS3Store(server!.options(), components());
      const [key, blocks] = ['large/00/a', 1024];
      const block = seededBytes(1_048_576);
      const [written, read] = [createHash('sha256'), createHash('sha256')];
      async function* numbered(): AsyncGenerator<Uint8Array> {
        for (let number = 0; number < blocks; number += 1) {
          block.writeUInt32LE(number);
          written.update(block);
          yield block;
        }
      }
      const { storedBytes, storedDigest } = await store.write(key, numbered());
      let bytes = 0;
      for await (const chunk of (await store.read(key)) as AsyncIterable<Uint8Array>) {
        read.update(chunk);
        bytes += chunk.length;
      }
      expect([storedBytes, bytes]).to.deep.equal([blocks * block.length, blocks * block.length]);
      const digest = written.digest('hex');
      expect([storedDigest, read.digest('hex')]).to.deep.equal([digest, digest]);
      expect(await store.delete(key)).to.equal(true);
      await store.close();
    });
  });

const endpoint = process.env['S3_ENDPOINT'];
if (endpoint !== undefined)
  describe('the server of S3_ENDPOINT, with the bucket of S3_BUCKET', function () {
    this.timeout(600_000);

    describeArchiveStore('an S3 store', {
      open: async () => {
        const bucket = process.env['S3_BUCKET'] ?? 'kubernetes-worker';
        const prefix = `test-${Date.now()}`;
        return openS3Store({ endpoint, bucket, prefix, partSizeBytes: partBytes }, components());
      },
      partBytes,
      listedKeys: 1100,
    });
  });
