import { setTimeout as sleep } from 'node:timers/promises';

import { expect } from 'chai';

import { makeContainer } from '../../contract/worker/setup.ts';
import { type EmbeddedWorker, embeddedWorker } from '../../support/embedded-worker.ts';

const image = 'busybox:1';

describe('a worker that reaps by itself', function () {
  this.timeout(20_000);
  let world: EmbeddedWorker;

  before(async () => {
    world = await embeddedWorker(image);
  });

  after(async () => {
    await world.close();
  });

  it('deletes a container soon after its owner has finished, and an artifact soon after its end', async () => {
    // The period is long: only the request leads to a pass.
    await using worker = await world.setup.openWith({ reapEveryMs: 86_400_000 });
    const { owner } = await makeContainer(worker, image);
    const { volume } = await worker.createVolumeForArtifact('team');
    expect(await world.setup.podNames()).to.have.length(2);
    await worker.ownerFinished(owner);
    await worker.expireArtifact(volume.handle);
    while ((await world.setup.podNames()).length > 0) await sleep(50);
    while ((await worker.listContainers()).containers.length > 0) await sleep(50);
  });

  it('deletes what other hosts have left, in each period', async () => {
    const { owner } = await makeContainer(world.worker, image);
    await world.worker.ownerFinished(owner);
    await using worker = await world.setup.openWith({ reapEveryMs: 200 });
    while ((await worker.listContainers()).containers.length > 0) await sleep(50);
    expect(await world.setup.podNames()).to.deep.equal([]);
  });
});
