import { setTimeout as sleep } from 'node:timers/promises';

import { expect } from 'chai';

import { RequestRecorder } from '../../../bench/host/request-recorder.ts';
import { ClientNodeCluster } from '../../../src/kubernetes/api/client-node-cluster.ts';
import { describeOldAgents } from '../../contract/worker/old-agents.ts';
import { makeContainer } from '../../contract/worker/setup.ts';
import { withEmbeddedWorker } from '../../support/embedded-worker.ts';
import { rejection } from '../../support/rejection.ts';

const image = 'busybox:1';

describe('a worker that reaps periodically', () => {
  const world = withEmbeddedWorker(image);

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

  it('deletes a container soon after its last reader has ended', async () => {
    await using worker = await world.setup.openWith({ reapEveryMs: 86_400_000 });
    const { mounts, owner } = await makeContainer(worker, image, { outputs: { result: 'result' } });
    const archive = await mounts.find(({ name }) => name === 'result')!.volume.streamOut('.');
    await worker.ownerFinished(owner);
    await world.worker.reap();
    expect(await world.setup.podNames()).to.have.length(1);
    archive.resume();
    while ((await worker.listContainers()).containers.length > 0) await sleep(50);
  });

  it('deletes the container that was kept first when the worker keeps too many', async () => {
    await using worker = await world.setup.openWith({ retention: { maxContainers: 1, maxAgeMs: 60_000 } });
    const first = await makeContainer(worker, image);
    await worker.ownerFinished(first.owner, { keepForMs: 3_600_000 });
    const second = await makeContainer(worker, image);
    await worker.ownerFinished(second.owner, { keepForMs: 3_600_000 });
    const { containers } = await worker.planReap();
    expect(containers.map(({ handle, reason }) => [handle, reason])).to.deep.equal([[first.container.handle, 'kept']]);
    expect(await worker.reap()).to.include({ deletedContainers: 1 });
    const [left] = (await worker.listContainers()).containers;
    expect(left).to.include({ handle: second.container.handle, state: 'kept' });
    const now = (await worker.listContainers({ state: 'kept' })).containers[0]!.keptUntil!.getTime();
    expect(now - left!.createdAt.getTime()).to.be.lessThan(120_000);
    await worker.ownerFinished(second.owner, { handle: left!.handle });
    await worker.reap();
  });

  it('deletes what other hosts have left, in each period', async () => {
    const { owner } = await makeContainer(world.worker, image);
    await world.worker.ownerFinished(owner);
    await using worker = await world.setup.openWith({ reapEveryMs: 200 });
    while ((await worker.listContainers()).containers.length > 0) await sleep(50);
    expect(await world.setup.podNames()).to.deep.equal([]);
  });
});

describe('a pass of the reaper', () => {
  const world = withEmbeddedWorker(image);
  let cluster: ClientNodeCluster;

  before(async () => {
    const kubeConfig = world.cluster.kubeconfigPath;
    cluster = await ClientNodeCluster.fromConfig({ kubeConfig, namespace: 'default' });
  });

  it('deletes the pods of a worker that no longer exists, and no pod of another worker', async () => {
    const { setup, worker, database } = world;
    await using other = await setup.openWith({ name: 'other' });
    await using doomed = await setup.openWith({ name: 'doomed' });
    const pods = [];
    for (const each of [worker, other, doomed]) {
      const { container } = await makeContainer(each, image);
      pods.push(container.podName);
    }
    const [own, others, gone] = pods;
    for (const table of ['volumes', 'containers'])
      await database.query(`delete from kubernetes_worker.${table} where worker_name = 'doomed'`);
    // As long as the worker exists, its pods are left to its own reaper.
    expect((await worker.reap()).deletedPods).to.equal(0);
    await database.query(`delete from kubernetes_worker.workers where name = 'doomed'`);
    expect((await worker.planReap()).unknownPods.map(({ podName }) => podName)).to.deep.equal([gone]);
    expect((await worker.reap()).deletedPods).to.equal(1);
    const left = (await cluster.listPodMetadata()).map(({ name }) => name);
    expect(left).to.have.members([own, others]);
  });

  it('deletes the rows of many pods that no longer exist with one list of pods, in one statement', async () => {
    const { worker, setup } = world;
    const before = await setup.podNames();
    const volumes = [];
    for (let count = 0; count < 5; count += 1) volumes.push((await worker.createVolumeForArtifact('team')).volume);
    for (const { handle } of volumes) await worker.expireArtifact(handle);
    for (const podName of await setup.podNames()) if (!before.includes(podName)) await setup.deletePod(podName);
    using recorder = new RequestRecorder();
    expect(await worker.reap()).to.include({ deletedPods: 0, deletedVolumes: 5, complete: true });
    const requests = recorder.requests.map(({ method, path }) => `${method} ${path.split('?')[0]}`);
    expect(requests).to.deep.equal([
      'GET /api/v1/namespaces/default/pods',
      'GET /api/v1/namespaces/default/pods',
      'GET /api/v1/namespaces/default/configmaps',
    ]);
    expect(await setup.podNames()).to.deep.equal(before);
  });

  it('changes nothing if the pods cannot be listed', async () => {
    const { worker, database, cluster: server } = world;
    const { volume } = await worker.createVolumeForArtifact('team');
    await database.query(
      `update kubernetes_worker.volumes set expires_at = now() - interval '1 s' where handle = '${volume.handle}'`,
    );
    const state = async () =>
      (await database.query(`select state from kubernetes_worker.volumes where handle = '${volume.handle}'`)).rows;
    {
      using _fault = server.faults.add({ match: { verb: 'list', resource: 'pods' }, kind: 'status', status: 403 });
      expect(await rejection(worker.reap())).to.include({ code: 'KW_ERR_RECONCILE' });
    }
    expect(await state()).to.deep.equal([{ state: 'created' }]);
    expect(await worker.reap()).to.include({ deletedPods: 1, deletedVolumes: 1 });
  });

  describeOldAgents(() => cluster, image);
});
