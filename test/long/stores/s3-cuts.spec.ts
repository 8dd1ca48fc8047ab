import { expect } from 'chai';

import { silentLogger } from '../../../src/internal/silent-logger.ts';
import { systemClock } from '../../../src/internal/system-clock.ts';
import { PartBuffers } from '../../../src/stores/s3/part-buffers.ts';
import { openS3Store, type S3Store } from '../../../src/stores/s3/s3-store.ts';
import { TcpProxy, wireFin, wireReset } from '../../support/rig/tcp-proxy.ts';
import { seededRandom } from '../../support/seeded-random.ts';
import { contentOf, inChunks, seededBytes, sha256 } from '../../support/stores/archive-bytes.ts';
import { hasS3Server, Versitygw } from '../../support/stores/versitygw.ts';
import { Tripwire } from '../../support/tripwire.ts';

const MiB = 1_048_576;
const partSizeBytes = 5 * MiB;
/** How many transfers are cut at random bytes, in each direction. */
const cuts = 200;

for (const isTls of [false, true])
  describe(`an S3 store ${isTls ? 'with' : 'without'} TLS, over connections that are cut at random bytes`, function () {
    this.timeout(300_000);
    let server: Versitygw;
    let proxy: TcpProxy;
    let tripwire: Tripwire;
    let store: S3Store;
    let keys = 0;
    const newKey = (): string => `cuts/00/a-${(keys += 1)}.tar.zst`;

    /** The connections of the next store are new, so that its plans apply to them. */
    async function reopen(): Promise<void> {
      await (store as S3Store | undefined)?.close();
      store = openS3Store(server.options({ partSizeBytes, requestTimeoutMs: 2_000 }, proxy.port), {
        clock: systemClock(),
        logger: silentLogger,
        buffers: new PartBuffers(),
      });
    }

    before(async function () {
      if (!(await hasS3Server())) return this.skip();
      server = await Versitygw.start({ isTls });
      tripwire = await Tripwire.set();
      proxy = await TcpProxy.start(server.port);
      await reopen();
    });

    after(async () => {
      await store?.close();
      await proxy?.close();
      await tripwire?.check();
      await server?.[Symbol.asyncDispose]();
    });

    it('returns the exact bytes of each read', async () => {
      const [key, bytes, random] = [newKey(), seededBytes(2 * MiB), seededRandom(1)];
      await store.write(key, inChunks(bytes));
      for (let round = 0; round < cuts; round += 1) {
        await reopen();
        const cut = () => ({
          down: { after: [[Math.floor(random() * 2 * MiB), random() < 0.5 ? wireReset : wireFin]] as const },
        });
        proxy.plan(cut(), cut());
        expect(sha256(await contentOf(await store.read(key)))).to.equal(sha256(bytes));
      }
    });

    it('stores the exact bytes of each write', async () => {
      const random = seededRandom(2);
      for (let round = 0; round < cuts; round += 1) {
        // Parts are large: most rounds have a part of one, and some have three.
        const [key, bytes] = [newKey(), seededBytes(Math.floor(random() ** 3 * 3 * partSizeBytes), round)];
        await reopen();
        const limit = Math.min(bytes.length + 1_000, 4 * MiB);
        const cut = () => ({ up: { after: [[Math.floor(random() * limit), wireReset]] as const } });
        proxy.plan(cut(), cut());
        expect((await store.write(key, inChunks(bytes))).storedDigest).to.equal(sha256(bytes));
        expect(sha256(await contentOf(await store.read(key)))).to.equal(sha256(bytes));
      }
    });
  });
