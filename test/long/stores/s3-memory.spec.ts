import { createHash } from 'node:crypto';

import { expect } from 'chai';

import { systemClock } from '../../../src/internal/system-clock.ts';
import { PartBuffers } from '../../../src/stores/s3/part-buffers.ts';
import { openS3Store, type S3Store } from '../../../src/stores/s3/s3-store.ts';
import { silentLogger } from '../../support/silent-logger.ts';
import { seededBytes } from '../../support/stores/archive-bytes.ts';
import { hasS3Server, Versitygw } from '../../support/stores/versitygw.ts';

const MiB = 1_048_576;

/** Yields this many bytes from one buffer. */
async function* repeated(length: number): AsyncGenerator<Uint8Array> {
  const piece = seededBytes(256 * 1024);
  for (let at = 0; at < length; at += piece.length) yield piece;
}

/** Returns by how many bytes the memory of this process has grown at most during the work. */
async function growthDuring(work: () => Promise<void>): Promise<number> {
  const before = process.memoryUsage.rss();
  let most = before;
  const timer = setInterval(() => (most = Math.max(most, process.memoryUsage.rss())), 20);
  try {
    await work();
  } finally {
    clearInterval(timer);
  }
  return most - before;
}

describe('the memory of an S3 store', function () {
  this.timeout(600_000);
  let server: Versitygw | undefined;
  let store: S3Store;

  before(async function () {
    if (!(await hasS3Server())) return this.skip();
    server = await Versitygw.start();
    const components = { clock: systemClock(), logger: silentLogger, buffers: new PartBuffers() };
    store = openS3Store(server.options({ requestTimeoutMs: 120_000 }), components);
    await store.probe();
  });

  after(async () => {
    if (server === undefined) return;
    await store.close();
    await server[Symbol.asyncDispose]();
  });

  it('does not grow with the size of an archive: 1 GiB up and down within 96 MiB', async () => {
    let written = '';
    const up = await growthDuring(async () => {
      written = (await store.write('memory/00/a', repeated(1024 * MiB))).storedDigest;
    });
    const down = await growthDuring(async () => {
      const digest = createHash('sha256');
      for await (const chunk of (await store.read('memory/00/a')) as AsyncIterable<Uint8Array>) digest.update(chunk);
      expect(digest.digest('hex')).to.equal(written);
    });
    console.log(`      ${Math.round(up / MiB)} MiB up, ${Math.round(down / MiB)} MiB down`);
    expect(Math.max(up, down)).to.be.lessThan(96 * MiB);
    await store.delete('memory/00/a');
  });

  it('does not grow with the number of uploads: 24 at the same time within 128 MiB', async () => {
    const growth = await growthDuring(async () => {
      const uploads = Array.from({ length: 24 }, (_, index) => store.write(`memory/01/${index}`, repeated(24 * MiB)));
      await Promise.all(uploads);
    });
    console.log(`      ${Math.round(growth / MiB)} MiB`);
    expect(growth).to.be.lessThan(128 * MiB);
  });
});
