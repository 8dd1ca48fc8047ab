import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { expect } from 'chai';

import { hasS3Server, Versitygw } from '../../support/stores/versitygw.ts';

const MiB = 1_048_576;
const program = fileURLToPath(new URL('../../support/stores/s3-memory-host.ts', import.meta.url));

describe('the memory of an S3 store', function () {
  this.timeout(600_000);
  let server: Versitygw | undefined;

  before(async function () {
    if (!(await hasS3Server())) return this.skip();
    server = await Versitygw.start();
  });

  after(async () => {
    await server?.[Symbol.asyncDispose]();
  });

  /** Returns by how many bytes the memory of a host has grown at most during the work. */
  async function growthDuring(work: 'up' | 'down' | 'uploads', flags: readonly string[] = []): Promise<number> {
    const options = JSON.stringify(server!.options({ requestTimeoutMs: 120_000 }));
    const { stdout } = await promisify(execFile)(process.execPath, [...flags, program, options, work]);
    const growth = Number(stdout);
    console.log(`      ${[work, ...flags].join(' ')}: ${Math.round(growth / MiB)} MiB`);
    return growth;
  }

  // The bounds are some times what is typical: how much garbage there is at a time depends on the collector.
  it('does not grow with the size of an archive: 1 GiB up and down within 400 MiB', async () => {
    expect(await growthDuring('up')).to.be.within(0, 400 * MiB);
    expect(await growthDuring('down')).to.be.within(0, 400 * MiB);
    // What a read adds is garbage: buffers of the socket that wait for their collection.
    expect(await growthDuring('down', ['--max-semi-space-size=1'])).to.be.within(0, 200 * MiB);
  });

  it('does not grow with the number of uploads: 24 at the same time, of 576 MiB, within 300 MiB', async () => {
    expect(await growthDuring('uploads')).to.be.within(0, 300 * MiB);
  });
});
