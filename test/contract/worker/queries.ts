import { setTimeout as sleep } from 'node:timers/promises';

import { expect } from 'chai';

import type {
  Container,
  ContainerOwner,
  ContainerQuery,
  ProcessQuery,
  ReviewTokenOptions,
  VolumeMount,
  VolumeQuery,
  Worker,
} from '../../../src/index.ts';
import { rejection } from '../../support/rejection.ts';
import { Collector, makeContainer, newOwner, sh, type WorkerSetup, withoutTimes } from './setup.ts';

/** Specifies what a host asks about containers and their processes, for any cluster. */
export function describeQueries(setup: () => WorkerSetup): void {
  describe('a container that another host has created', () => {
    let worker: Worker;
    let restarted: Worker;
    let container: Container;
    let owner: ContainerOwner;
    /** The same container in a host that has restarted. */
    let found: Container;

    before(async () => {
      [worker, restarted] = [await setup().open(), await setup().open()];
      ({ container, owner } = await makeContainer(worker, setup().image));
      found = (await restarted.findContainer(owner))!;
    });

    after(async () => {
      await restarted.ownerFinished(owner);
      await restarted.reap();
      await Promise.all([worker.close(), restarted.close()]);
    });

    it('is found by its owner, without its specification', async () => {
      expect(found).to.include({ handle: container.handle, podName: container.podName });
      expect((await sh(found, 'echo found')).stdout).to.equal('found\n');
      expect(await restarted.findContainer(newOwner())).to.equal(undefined);
    });

    it('has the mounts of its creation', async () => {
      const shown = (mounts: readonly VolumeMount[]): unknown =>
        mounts.map(({ kind, mountPath, name, volume }) => [kind, mountPath, name, volume.handle]);
      const created = await container.mounts();
      expect(created.map(({ kind, mountPath }) => [kind, mountPath])).to.deep.equal([['dir', '/tmp/build/test']]);
      expect(shown(await found.mounts())).to.deep.equal(shown(created));
    });

    it('is listed with the facts of its row', async () => {
      const { containers } = await restarted.listContainers({ ownerKind: owner.kind, limit: 1000 });
      const info = containers.find(({ handle }) => handle === container.handle);
      expect(info).to.deep.include({ owner, state: 'created', podName: container.podName, metadata: {} });
      expect(info?.podUid).to.be.a('string');
      const { containers: later } = await restarted.listContainers({ createdAfter: info!.createdAt });
      expect(later.map(({ handle }) => handle)).to.not.include(container.handle);
    });

    it('is listed by its handle, and its volumes by it', async () => {
      const { handle } = container;
      expect((await restarted.listContainers({ handle })).containers).to.have.length(1);
      const { volumes } = await restarted.listVolumes({ containerHandle: handle });
      for (const { containerHandle, state } of volumes)
        expect([containerHandle, state]).to.deep.equal([handle, 'created']);
      const { volume } = await worker.createVolumeForArtifact('team');
      const { volumes: artifacts } = await restarted.listVolumes({ kind: 'artifact', limit: 1000 });
      expect(artifacts.map((artifact) => artifact.handle)).to.include(volume.handle);
      await worker.expireArtifact(volume.handle);
    });

    it('has processes that run and processes that have ended, with and without a stored result', async () => {
      await sh(container, 'exit 3', { id: 'list-stored' });
      const unwatched = await container.run({ id: 'list-ended', path: 'true' }, {});
      await unwatched[Symbol.asyncDispose]();
      await using running = await container.run({ id: 'list-running', path: 'sleep', args: ['60'] }, {});
      while ((await found.findProcess('list-ended'))?.state === 'running') await new Promise(setImmediate);
      const infos = (await found.listProcesses()).filter(({ id }) => id.startsWith('list-'));
      expect(infos.map(({ id, state, result }) => [id, state, result?.exitStatus])).to.deep.equal([
        ['list-ended', 'ended', undefined],
        ['list-running', 'running', undefined],
        ['list-stored', 'ended', 3],
      ]);
      for (const info of infos) expect(await found.findProcess(info.id)).to.deep.equal(info);
      const query = { containerHandle: found.handle, ownerKind: owner.kind };
      const listed = await restarted.listProcesses({ ...query, limit: 1000 });
      expect(listed).to.deep.include({ unavailable: [] });
      expect(listed.processes.map(({ process }) => process)).to.deep.equal(await found.listProcesses());
      expect(new Set(listed.processes.map(({ container: { handle, state } }) => `${handle} ${state}`))).to.deep.equal(
        new Set([`${found.handle} created`]),
      );
      const { next, processes } = await restarted.listProcesses({ ...query, limit: 1 });
      const { processes: following } = await restarted.listProcesses({ ...query, after: next });
      expect([...processes, ...following]).to.deep.equal(listed.processes);
      expect(await restarted.listProcesses({ ownerKind: 'none' })).to.deep.equal({ processes: [], unavailable: [] });
      expect(await found.findProcess('list-never')).to.equal(undefined);
      expect(await found.stopProcess('list-ended')).to.include({ exitStatus: 0 });
      expect((await found.findProcess('list-ended'))?.result).to.include({ exitStatus: 0 });
      await found.stopProcess(running.id);
    });

    it('has results with the times of the command', async () => {
      const task = await container.run({ id: 'times', path: 'sleep', args: ['0.05'] }, {});
      const { startedAt, finishedAt } = await task.wait();
      expect(finishedAt!.getTime() - startedAt!.getTime()).to.be.at.least(40);
      expect((await found.findProcess('times'))?.result).to.deep.include({ startedAt, finishedAt });
    });

    it('has processes that are signalled by their IDs, and a signal after the end has no effect', async () => {
      const script = 'trap "echo caught; exit 4" USR1; echo ready; while :; do sleep 0.05; done';
      const stdout = new Collector();
      const task = await container.run({ id: 'signalled', path: 'sh', args: ['-c', script] }, { stdout });
      await stdout.shows('ready');
      await found.signalProcess('signalled', 10);
      expect(withoutTimes(await task.wait())).to.deep.equal({ exitStatus: 4 });
      expect(stdout.text).to.equal('ready\ncaught\n');
      await found.signalProcess('signalled', 10);
      expect(await rejection(found.signalProcess('never', 10))).to.include({ code: 'KW_ERR_PROCESS_NOT_FOUND' });
    });

    it('has processes that are stopped by their IDs, with one result for every host', async () => {
      const stdout = new Collector();
      const script = 'trap "echo stopped; exit 5" TERM; echo ready; while :; do sleep 0.05; done';
      const task = await container.run({ id: 'stopped', path: 'sh', args: ['-c', script] }, { stdout });
      await stdout.shows('ready');
      const result = await found.stopProcess('stopped');
      expect(withoutTimes(result)).to.deep.equal({ exitStatus: 5 });
      expect(await task.wait()).to.deep.equal(result);
      expect(stdout.text).to.equal('ready\nstopped\n');
      expect(await found.stopProcess('stopped')).to.deep.equal(result);
      expect(await rejection(found.stopProcess('never'))).to.include({ code: 'KW_ERR_PROCESS_NOT_FOUND' });
    });

    it('is described with its pod, its Kubernetes containers and its events', async () => {
      // A node reports up to a second late that the pod runs.
      while ((await found.describe()).phase !== 'Running') await sleep(100);
      const { podUid, ...description } = await found.describe();
      const { containers } = await restarted.listContainers({ ownerKind: owner.kind, limit: 1000 });
      expect(podUid).to.equal(containers.find(({ handle }) => handle === container.handle)?.podUid);
      expect(description).to.include({ podName: container.podName, phase: 'Running' });
      expect(description.nodeName).to.be.a('string');
      expect(description.conditions.map(({ type, status }) => `${type}=${status}`)).to.include('PodScheduled=True');
      expect(description.containers).to.have.length(1);
      expect(description.containers[0]).to.include({ name: 'main', image: setup().image, restarts: 0 });
      expect(description.containers[0]?.state).to.include({ kind: 'running' });
      expect(description.events?.map(({ reason }) => reason)).to.include.members(['Scheduled', 'Created']);
      for (const { lastAt } of description.events ?? []) expect(lastAt).to.be.instanceOf(Date);
    });

    it('names the invalid argument', async () => {
      for (const [field, call] of Object.entries<() => Promise<unknown>>({
        processId: () => found.findProcess('../a'),
        signal: () => found.signalProcess('task', 65),
        limit: () => restarted.listContainers({ limit: 0 }),
        state: () => restarted.listContainers({ state: 'gone' } as unknown as ContainerQuery),
        after: () => restarted.listProcesses({ after: 'x' }),
        container: () => restarted.listProcesses({ container: 'x' } as ProcessQuery),
        kind: () => restarted.listVolumes({ kind: 'none' } as unknown as VolumeQuery),
        token: () => restarted.reviewToken('', { permission: { verb: 'get', resource: 'pods' } }),
        'permission.verb': () =>
          restarted.reviewToken('t', { permission: { resource: 'pods' } } as unknown as ReviewTokenOptions),
        ownerkind: () => restarted.listContainers({ ownerkind: 'x' } as ContainerQuery),
        'owner.kind': () => restarted.findContainer({ kind: '', key: 'x' }),
      }))
        expect(await rejection(call()), field).to.include({ code: 'KW_ERR_INVALID_SPEC', field });
    });

    it('still has its stored results after its pod ended, and no other process', async () => {
      const made = await makeContainer(worker, setup().image);
      await sh(made.container, 'exit 6', { id: 'ended' });
      await using _running = await made.container.run({ id: 'running', path: 'sleep', args: ['60'] }, {});
      await setup().deletePod(made.container.podName);
      const late = (await restarted.findContainer(made.owner))!;
      for (const each of [late, made.container]) {
        const infos = await each.listProcesses();
        expect(infos.map(({ id, state, result }) => [id, state, result?.exitStatus])).to.deep.equal([
          ['ended', 'ended', 6],
        ]);
        expect(await each.findProcess('ended')).to.deep.equal(infos[0]);
        const { processes, unavailable } = await restarted.listProcesses({ containerHandle: each.handle });
        expect([processes.map(({ process }) => process), unavailable]).to.deep.equal([infos, []]);
        expect(await each.findProcess('running')).to.equal(undefined);
        expect(await each.stopProcess('ended')).to.include({ exitStatus: 6 });
        await each.signalProcess('ended', 15);
        for (const call of [
          () => each.stopProcess('running'),
          () => each.signalProcess('running', 15),
          () => each.describe(),
        ])
          expect((await rejection(call())).code).to.equal('KW_ERR_CONTAINER_DISAPPEARED');
      }
      await restarted.ownerFinished(made.owner);
    });
  });
}
