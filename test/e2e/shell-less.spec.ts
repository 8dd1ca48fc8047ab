import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';

import type { PGlite } from '@electric-sql/pglite';
import { expect } from 'chai';

import type { Worker } from '../../src/index.ts';
import { makeContainer, run } from '../contract/worker/setup.ts';
import { newPGlite } from '../support/database/pglite.ts';
import { type RealCluster, realCluster, realWorkers, shellLessImage } from '../support/real-cluster.ts';
import { rejection } from '../support/rejection.ts';
import { readTar, tarOf } from '../support/tar.ts';

describe('an image without a shell on a real cluster', () => {
  let real: RealCluster | undefined;
  let database: PGlite | undefined;
  let worker: Worker;

  before(async function () {
    real = await realCluster(this, 'shell-less');
    database = await newPGlite();
    worker = await realWorkers(real, database, { image: shellLessImage }).open();
  });

  after(async () => {
    await (worker as Worker | undefined)?.close();
    await real?.remove();
    await database?.close();
  });

  it('runs its program, and has inputs and outputs [A54]', async () => {
    const content = randomBytes(300_000);
    const { volume } = await worker.createVolumeForArtifact('team');
    await volume.streamIn('.', Readable.from([await tarOf({ 'deep/file.bin': content })]));
    const { container, mounts, owner } = await makeContainer(worker, shellLessImage, {
      inputs: [{ artifact: volume, path: 'in' }],
      outputs: { out: 'in' },
    });
    expect(await run(container, { path: '/hello', args: ['7'] })).to.deep.equal({
      exitStatus: 7,
      stdout: 'hello from an image without a shell\n',
      stderr: '',
    });
    expect((await rejection(container.run({ path: 'sh' }, {}))).code).to.equal('KW_ERR_EXECUTABLE_NOT_FOUND');
    const entries = await readTar(await mounts.find(({ kind }) => kind === 'output')!.volume.streamOut('.'));
    expect(entries.get('deep/file.bin')!.content.equals(content)).to.equal(true);
    await worker.ownerFinished(owner);
    await worker.expireArtifact(volume.handle);
    expect((await worker.reap()).deletedPods).to.equal(2);
  });
});
