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
  async function growthDuring(work: 'up' | 'down' | 'uploads'): Promise<number> {
    const options = JSON.stringify(server!.options({ requestTimeoutMs: 120_000 }));
    const { stdout } = await promisify(execFile)(process.execPath, [program, options, work]);
    const growth = Number(stdout);
    console.log(`      ${work}: ${Math.round(growth / MiB)} MiB`);
    return growth;
  }

  // The bounds are a few times what is typical: less than the bytes that pass, whatever the collector does.
  it('does not grow with the size of an archive: 1 GiB within 160 MiB', async () => {
    expect(await growthDuring('up')).to.be.within(0, 160 * MiB);
    expect(await growthDuring('down')).to.be.within(0, 160 * MiB);
  });

  it('does not grow with the number of uploads: 24 at the same time, of 576 MiB, within 300 MiB', async () => {
    expect(await growthDuring('uploads')).to.be.within(0, 300 * MiB);
  });
});
