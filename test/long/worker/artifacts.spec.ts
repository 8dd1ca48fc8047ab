import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';

import { expect } from 'chai';
import sinon from 'sinon';

import { PodStore } from '../../../src/stores/pod-store.ts';
import { makeContainer, newOwner, sh } from '../../contract/worker/setup.ts';
import { withEmbeddedWorker } from '../../support/embedded-worker.ts';
import { rejection } from '../../support/rejection.ts';
import { tarOf } from '../../support/tar.ts';

const image = 'busybox:1';

describe('artifacts on the embedded cluster', () => {
  const world = withEmbeddedWorker(image);

  afterEach(async () => {
    sinon.restore();
    await world.reapArtifacts();
    expect(await world.setup.podNames()).to.deep.equal([]);
  });

  const produced = async (content: string) => {
    const made = await makeContainer(world.worker, image, { outputs: { report: 'report' } });
    await sh(made.container, `echo ${content} > report/file`);
    return { ...made, volume: made.mounts.find(({ name }) => name === 'report')!.volume };
  };

  it('of a kept container outlive it and its pod until their own time is over', async () => {
    const { worker } = world;
    const { owner, container, volume } = await produced('kept');
    await worker.ownerFinished(owner, { handle: container.handle, keepForMs: 60_000 });
    const { volume: artifact, expiresAt } = await worker.createArtifact(volume, { teamId: 'team', ttlMs: 3_600_000 });
    expect(expiresAt.getTime() - Date.now()).to.be.within(3_000_000, 3_700_000);
    await sh(container, 'echo changed > report/file');
    await worker.ownerFinished(owner, { handle: container.handle });
    await worker.reap();
    expect(await world.setup.podNames()).to.have.length(1);
    const found = await worker.lookupVolume(artifact.handle);
    expect(Buffer.from(await found!.readFile('file')).toString()).to.equal('kept\n');
    // As an input of another container.
    const next = await makeContainer(worker, image, { inputs: [{ artifact: found!, path: 'in' }] });
    expect((await sh(next.container, 'cat in/file')).stdout).to.equal('kept\n');
    await worker.ownerFinished(next.owner);
  });

  it('have the team of the volume, or of its container, unless the call has one', async () => {
    const { worker } = world;
    const teamOf = async (handle: string) =>
      (
        await world.database.query<{ team_id: string | null }>(
          'select team_id from kubernetes_worker.volumes where handle = $1',
          [handle],
        )
      ).rows[0]!.team_id;
    const owner = newOwner();
    const { mounts } = await worker.findOrCreateContainer(
      owner,
      { image, dir: '/tmp/build/test', outputs: { report: 'report' } },
      { metadata: { type: 'task', team: 'builders' } },
    );
    const output = mounts.find(({ name }) => name === 'report')!.volume;
    const { volume: first } = await worker.createArtifact(output);
    const { volume: second } = await worker.copyArtifact(first, { store: 'pod' });
    const { volume: third } = await worker.copyArtifact(second, { store: 'pod', teamId: 'others' });
    expect(await Promise.all([first, second, third].map(({ handle }) => teamOf(handle)))).to.deep.equal([
      'builders',
      'builders',
      'others',
    ]);
    await worker.ownerFinished(owner);
  });

  it('are copied from a host’s own artifact', async () => {
    const archive = await tarOf({ file: 'from the host' });
    const artifact = {
      handle: 'h',
      source: 'host',
      streamOut: async () => Readable.from([archive]),
      readFile: sinon.stub(),
    };
    const { volume } = await world.worker.copyArtifact(artifact, { store: 'pod' });
    expect(Buffer.from(await volume.readFile('file')).toString()).to.equal('from the host');
    expect((await volume.status()).digest).to.match(/^[0-9a-f]{64}$/);
  });

  it('of a host that dies during the copy expire soon, and the volume stays as it is', async () => {
    const { owner, volume } = await produced('text');
    const dying = await world.setup.openWith({});
    const source = (await dying.lookupVolume(volume.handle))!;
    const copying = Promise.withResolvers<void>();
    const revived = Promise.withResolvers<never>();
    sinon.stub(PodStore.prototype, 'copy').callsFake(async () => {
      copying.resolve();
      return await revived.promise;
    });
    const ended = rejection(dying.createArtifact(source, { ttlMs: 10 ** 9 }));
    await copying.promise;
    const left = await world.database.query<{ minutes: number }>(
      `select extract(epoch from expires_at - now())::int / 60 as minutes from kubernetes_worker.volumes
       where container_id is null`,
    );
    expect(left.rows.map(({ minutes }) => minutes)).to.satisfy(([minutes]: number[]) => minutes! <= 15);
    expect(await text(await volume.streamOut('file'))).to.contain('text\n');
    revived.reject(new Error('revived'));
    expect(await ended).to.include({ message: 'revived' });
    await dying.close();
    await world.worker.ownerFinished(owner);
  });

  it('are refused for an unknown store, an invalid time and a volume that no longer exists', async () => {
    const { worker } = world;
    const { volume } = await worker.createVolumeForArtifact('team');
    for (const [field, options] of [
      ['store', { store: 'nowhere' }],
      ['ttlMs', { ttlMs: 0 }],
      ['teamId', { teamId: '' }],
      ['owner', { owner: 'me' }],
    ] as const)
      expect(await rejection(worker.createArtifact(volume, options as never)), field).to.include({
        code: 'KW_ERR_INVALID_SPEC',
        field,
      });
    expect(await rejection(worker.copyArtifact(volume, {} as never))).to.include({ field: 'store' });
    expect(await rejection(worker.createArtifact('v' as never))).to.include({ field: 'volume' });
    await worker.expireArtifact(volume.handle);
    await worker.reap();
    expect(await rejection(worker.createArtifact(volume))).to.include({ code: 'KW_ERR_VOLUME_DISAPPEARED' });
  });
});
