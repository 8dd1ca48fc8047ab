import { setTimeout as sleep } from 'node:timers/promises';

import { expect } from 'chai';

import type { Worker, WorkerState } from '../../../src/index.ts';
import { makeContainer, newOwner, sh } from '../../contract/worker/setup.ts';
import { withEmbeddedWorker } from '../../support/embedded-worker.ts';
import { rejection } from '../../support/rejection.ts';

const image = 'busybox:1';

describe('the states of a worker', () => {
  const world = withEmbeddedWorker(image);
  let worker: Worker;

  before(async () => {
    worker = world.worker;
  });

  const reaches = async (state: WorkerState) => {
    while ((await worker.info()).state !== state) await sleep(20);
  };
  const expire = async (name: string) =>
    await world.database.query(
      `update kubernetes_worker.workers set expires_at = now() - interval '1 second' where name = $1`,
      [name],
    );
  const stateFinding = async () =>
    (await worker.check()).findings.find(({ check }) => check === 'worker-state')?.message;

  it('is stalled while the API server fails, keeps all that it has, and runs again without help [A47]', async () => {
    const { container, owner } = await makeContainer(worker, image);
    const { volume } = await worker.createVolumeForArtifact('team');
    await using beating = await world.setup.openWith({ heartbeatEveryMs: 50 });
    while ((await worker.info()).heartbeatAt === undefined) await sleep(20);
    expect(await beating.info()).to.include({ state: 'running', activeContainers: 1, activeVolumes: 2 });
    const fault = world.cluster.faults.add({ match: { verb: 'list', resource: 'pods' }, kind: 'status', status: 503 });
    // The heartbeats that began before the fault have ended then.
    while (fault.hits < 2) await sleep(20);
    await expire(worker.name);
    const hits = fault.hits;
    while (fault.hits < hits + 2) await sleep(20);
    expect((await worker.info()).state).to.equal('stalled');
    expect(await stateFinding()).to.include('is stalled');
    expect(await rejection(worker.heartbeat())).to.include({ code: 'KW_ERR_API_UNAVAILABLE' });
    world.cluster.faults.clear();
    await reaches('running');
    expect(await stateFinding()).to.equal(undefined);
    expect((await sh(container, 'echo kept')).stdout).to.equal('kept\n');
    expect(await worker.lookupVolume(volume.handle)).to.not.equal(undefined);
    await worker.ownerFinished(owner);
    await worker.expireArtifact(volume.handle);
  });

  it('lands when the running step has finished and no artifact is needed, and then accepts work again', async () => {
    const { container, owner, spec } = await makeContainer(worker, image);
    const { volume } = await worker.createVolumeForArtifact('team');
    const step = await container.run({ path: 'sh', args: ['-c', 'echo begun; sleep 0.2; echo ended'] }, {});
    expect((await worker.land()).state).to.equal('landing');
    await using other = await world.setup.openWith({ heartbeatEveryMs: 50 });
    const refused = { code: 'KW_ERR_WORKER_NOT_RUNNING', state: 'landing', workerName: worker.name };
    expect(await rejection(other.findOrCreateContainer(newOwner(), spec))).to.include(refused);
    expect(await rejection(other.createVolumeForArtifact('team'))).to.include(refused);
    expect((await other.findOrCreateContainer(owner, spec)).created).to.equal(false);
    expect((await step.wait()).exitStatus).to.equal(0);
    expect((await worker.heartbeat())?.state).to.equal('landing');
    await worker.ownerFinished(owner);
    await worker.reap();
    expect((await worker.heartbeat())?.state).to.equal('landing');
    await worker.expireArtifact(volume.handle);
    await worker.reap();
    await reaches('landed');
    expect(await stateFinding()).to.include('is landed');
    expect(await rejection(makeContainer(worker, image))).to.include({ state: 'landed' });
    expect((await other.resume()).state).to.equal('running');
    const { owner: next, created } = await makeContainer(worker, image);
    expect(created).to.equal(true);
    await worker.ownerFinished(next);
  });

  it('ends with the row when a retiring worker has been reaped, and every host notices', async () => {
    const { owner } = await makeContainer(worker, image);
    await using other = await world.setup.openWith({ heartbeatEveryMs: 50 });
    expect((await worker.retire()).state).to.equal('retiring');
    await worker.ownerFinished(owner);
    const refused = { code: 'KW_ERR_WORKER_NOT_RUNNING', state: 'retired' };
    while ((await other.listWorkers()).length > 0) {
      await worker.reap();
      await sleep(20);
    }
    expect(await world.setup.podNames()).to.deep.equal([]);
    for (const call of [
      () => worker.info(),
      () => worker.heartbeat(),
      () => worker.resume(),
      () => makeContainer(other, image),
      () => worker.createVolumeForArtifact('team'),
    ])
      expect(await rejection(call())).to.include(refused);
    await worker.ownerFinished(owner, { final: true });
    await using _again = await world.setup.openWith({});
    expect((await worker.info()).state).to.equal('running');
  });

  it('allows to prune a worker that is gone, and its reaper finds the pods that are left', async () => {
    const gone = await world.setup.openWith({ name: 'gone' });
    await makeContainer(gone, image);
    await gone.heartbeat();
    expect(await rejection(worker.pruneWorker('gone'))).to.include({ code: 'KW_ERR_ILLEGAL_TRANSITION' });
    await expire('gone');
    expect(await worker.pruneWorker('gone')).to.equal(true);
    expect((await worker.listWorkers()).map(({ name }) => name)).to.deep.equal([worker.name]);
    await gone.close();
    await using again = await world.setup.openWith({ name: 'gone' });
    expect(await again.reap()).to.include({ deletedPods: 1, deletedContainers: 0, deletedVolumes: 0 });
  });

  it('refuses invalid arguments, by the field', async () => {
    const invalid = (call: unknown): Promise<unknown> => rejection(call as Promise<unknown>);
    const land = worker.land.bind(worker) as (options: unknown) => Promise<unknown>;
    const heartbeat = worker.heartbeat.bind(worker) as (options: unknown) => Promise<unknown>;
    expect(await invalid(land({ artifacts: 'burn' }))).to.include({ field: 'artifacts' });
    expect(await invalid(heartbeat({ expiresMs: 1 }))).to.include({ field: 'expiresMs' });
    expect(await invalid(heartbeat({ expiresInMs: 0 }))).to.include({ field: 'expiresInMs' });
    expect(await invalid(world.setup.openWith({ heartbeatEveryMs: 0 }))).to.include({ field: 'heartbeatEveryMs' });
    expect((await worker.info()).state).to.equal('running');
  });
});
