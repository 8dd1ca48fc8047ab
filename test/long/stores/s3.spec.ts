import { systemClock } from '../../../src/internal/system-clock.ts';
import { PartBuffers } from '../../../src/stores/s3/part-buffers.ts';
import { openS3Store } from '../../../src/stores/s3/s3-store.ts';
import { describeArchiveStore } from '../../contract/stores/describe-archive-store.ts';
import { TcpProxy } from '../../support/rig/tcp-proxy.ts';
import { silentLogger } from '../../support/silent-logger.ts';
import { hasS3Server, Versitygw } from '../../support/stores/versitygw.ts';

const partBytes = 5 * 1_048_576;
const components = () => ({ clock: systemClock(), logger: silentLogger, buffers: new PartBuffers() });

for (const isTls of [false, true])
  describe(`versitygw ${isTls ? 'with' : 'without'} TLS`, function () {
    this.timeout(300_000);
    let server: Versitygw | undefined;
    let proxy: TcpProxy;

    before(async function () {
      if (!(await hasS3Server())) return this.skip();
      server = await Versitygw.start({ isTls });
    });

    after(async () => {
      await server?.[Symbol.asyncDispose]();
    });

    describeArchiveStore('an S3 store', {
      keepsNoChunks: true,
      open: async () => {
        proxy = await TcpProxy.start(server!.port);
        const options = server!.options({ prefix: 'ci/', partSizeBytes: partBytes }, proxy.port);
        const store = openS3Store(options, components());
        const closeStore = store.close.bind(store);
        return Object.assign(store, { close: () => closeStore().then(() => proxy.close()) });
      },
      sentBytes: () => proxy.sentBytes,
      partBytes,
      listedKeys: isTls ? 25 : 1100,
      largeBytes: 1_073_741_824,
    });
  });

const endpoint = process.env['S3_ENDPOINT'];
if (endpoint !== undefined)
  describe('the server of S3_ENDPOINT, with the bucket of S3_BUCKET', function () {
    this.timeout(600_000);

    describeArchiveStore('an S3 store', {
      keepsNoChunks: true,
      open: async () => {
        const bucket = process.env['S3_BUCKET'] ?? 'kubernetes-worker';
        const prefix = `test-${Date.now()}`;
        return openS3Store({ endpoint, bucket, prefix, partSizeBytes: partBytes }, components());
      },
      partBytes,
      listedKeys: 1100,
    });
  });
