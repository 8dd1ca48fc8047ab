import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect } from 'chai';

import { containerResources } from '../../../../src/service/telemetry/container-resources.ts';

describe('containerResources', () => {
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'kw-cgroup-'));
  });

  afterEach(async () => await rm(folder, { recursive: true }));

  const measured = async () => {
    const resources = containerResources(folder);
    return [await resources.memoryLimitBytes(), await resources.throttledSeconds()];
  };

  it('has the memory limit in bytes and the throttled time in seconds', async () => {
    await writeFile(join(folder, 'memory.max'), '536870912\n');
    await writeFile(join(folder, 'cpu.stat'), 'usage_usec 9000000\nnr_throttled 3\nthrottled_usec 2500000\n');
    expect(await measured()).to.deep.equal([536_870_912, 2.5]);
  });

  it('has no memory limit where the group has none', async () => {
    await writeFile(join(folder, 'memory.max'), 'max\n');
    await writeFile(join(folder, 'cpu.stat'), 'usage_usec 9000000\n');
    expect(await measured()).to.deep.equal([undefined, undefined]);
  });

  it('has nothing where there is no such group', async () => {
    expect(await measured()).to.deep.equal([undefined, undefined]);
  });
});
