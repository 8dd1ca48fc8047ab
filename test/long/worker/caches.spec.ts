import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';

import { expect } from 'chai';
import sinon from 'sinon';

import { PodStore } from '../../../src/stores/pod-store.ts';
import { makeContainer, newOwner, sh } from '../../contract/worker/setup.ts';
import { withEmbeddedWorker } from '../../support/embedded-worker.ts';
import { rejection } from '../../support/rejection.ts';
import { tarOf } from '../../support/tar.ts';

const image = 'busybox:1';
const dir = '/tmp/build/test';

describe('caches on the embedded cluster', () => {
  const world = withEmbeddedWorker(image);

  afterEach(async () => {
    sinon.restore();
    await world.reapArtifacts();
    expect(await world.setup.podNames()).to.deep.equal([]);
  });

  const rows = async (table: string): Promise<number> =>
    (await world.database.query<{ count: number }>(`select count(*)::int as count from kubernetes_worker.${table}`))
      .rows[0]!.count;
  const filled = async (text: string) => {
    const made = await makeContainer(world.worker, image, { caches: ['cache'] });
    await sh(made.container, `echo ${text} > cache/file`);
    return { ...made, volume: made.mounts.find(({ kind }) => kind === 'cache')!.volume };
  };

  it('a host that ends between the copy and the blessing leaves nothing after a reap, and the cache before it stays', async () => {
    const key = { job: randomUUID(), step: 's', path: `${dir}/cache` };
    const { owner, volume } = await filled('new');
    const { volume: old } = await world.worker.createVolumeForArtifact('team');
    await old.initializeTaskCache(key);
    // The copy is complete, and no statement of this host follows.
    const dying = await world.setup.openWith({});
    const source = (await dying.lookupVolume(volume.handle))!;
    const copied = Promise.withResolvers<void>();
    const revived = Promise.withResolvers<never>();
    const copy = PodStore.prototype.copy;
    sinon.stub(PodStore.prototype, 'copy').callsFake(async function (this: PodStore, ...args) {
      await copy.apply(this, args);
      copied.resolve();
      return await revived.promise;
    });
    const ended = rejection(source.initializeTaskCache(key));
    await copied.promise;
    sinon.restore();
    await world.worker.ownerFinished(owner);
    // As if the host had died that long ago.
    await world.database.query("update kubernetes_worker.volume_streams set until = now() - interval '1 second'");
    await world.worker.reap();
    expect(await world.setup.podNames(), 'before its expiry').to.have.length(2);
    await world.database.query(
      `update kubernetes_worker.volumes set expires_at = now() - interval '1 second' where container_id is null and handle <> '${old.handle}'`,
    );
    await world.worker.reap();
    expect(await world.setup.podNames(), 'afterwards').to.have.length(1);
    expect([await rows('volumes'), await rows('caches')]).to.deep.equal([1, 1]);
    revived.reject(new Error('revived'));
    expect(await ended).to.include({ message: 'revived' });
    await dying.close();
  });

  it('the copy of a host that is closed during the copy is deleted by the next reap', async () => {
    const { owner, volume } = await filled('new');
    const closing = await world.setup.openWith({});
    const source = (await closing.lookupVolume(volume.handle))!;
    const copying = Promise.withResolvers<void>();
    sinon.stub(PodStore.prototype, 'copy').callsFake(async (_from, _to, { signal } = {}) => {
      copying.resolve();
      return await new Promise<never>((_resolve, reject) =>
        signal?.addEventListener('abort', () => reject(signal.reason as Error)),
      );
    });
    const ended = rejection(source.initializeResourceCache(randomUUID()));
    await copying.promise;
    await closing.close();
    expect(await ended).to.include({ code: 'KW_ERR_CLOSED' });
    await world.worker.ownerFinished(owner);
    await world.worker.reap();
    expect([await rows('volumes'), await rows('caches')]).to.deep.equal([0, 0]);
  });

  it('of a volume of a container outlive it, and the loser of two writers leaves no copy', async () => {
    const key = randomUUID();
    const [one, two] = [await filled('one'), await filled('two')];
    const outcomes = await Promise.all([one, two].map(({ volume }) => volume.initializeResourceCache(key)));
    expect([...outcomes].sort()).to.deep.equal([false, true]);
    expect(await one.volume.initializeResourceCache(key)).to.equal(false);
    for (const { owner } of [one, two]) await world.worker.ownerFinished(owner);
    await world.worker.reap();
    expect(await world.setup.podNames()).to.have.length(1);
    const found = (await world.worker.findResourceCache(key))!;
    expect(Buffer.from(await found.readFile('file')).toString()).to.equal(outcomes[0] === true ? 'one\n' : 'two\n');
  });

  it('whose pod no longer exists are not found, and the next writer is the first', async () => {
    const key = randomUUID();
    const { volume } = await world.worker.createVolumeForArtifact('team');
    await volume.initializeResourceCache(key);
    await world.setup.deletePod((await world.setup.podNames())[0]!);
    expect(await world.worker.findResourceCache(key)).to.equal(undefined);
    const { volume: next } = await world.worker.createVolumeForArtifact('team');
    expect(await next.initializeResourceCache(key)).to.equal(true);
  });

  it('that disappear while a step is filled leave an empty folder, and the step runs', async () => {
    const step = { job: randomUUID(), step: 's' };
    const { volume } = await world.worker.createVolumeForArtifact('team');
    await volume.streamIn('.', Readable.from([await tarOf({ file: 'content' })]));
    await volume.initializeTaskCache({ ...step, path: `${dir}/cache` });
    const [podName] = await world.setup.podNames();
    const exists = PodStore.prototype.exists;
    sinon.stub(PodStore.prototype, 'exists').callsFake(async function (this: PodStore, ...args) {
      const was = await exists.apply(this, args);
      if ((await world.setup.podNames()).includes(podName!)) await world.setup.deletePod(podName!);
      return was;
    });
    const kinds: string[] = [];
    const owner = newOwner();
    const spec = { image, dir, caches: ['cache'], taskCache: step };
    const { container } = await world.worker.findOrCreateContainer(owner, spec, {
      delegate: { progress: ({ kind }) => void kinds.push(kind) },
    });
    expect(kinds).to.include('cache-lost');
    expect((await sh(container, 'ls -A cache')).stdout).to.equal('');
    // The specification has not changed with the content of the cache.
    expect((await world.worker.findOrCreateContainer(owner, spec)).created).to.equal(false);
    await world.worker.ownerFinished(owner);
  });

  it('of another worker are cached here as long as they are valid there', async () => {
    await using other = await world.setup.openWith({ name: `other-${randomUUID()}` });
    const key = randomUUID();
    const { volume: origin } = await other.createVolumeForArtifact('team');
    await origin.initializeResourceCache(key);
    const { volume: copy } = await world.worker.createVolumeForArtifact('team');
    expect(await copy.initializeStreamedResourceCache(key, { source: copy.handle })).to.equal(false);
    expect(await copy.initializeStreamedResourceCache(key, { source: origin.handle })).to.equal(true);
    expect((await world.worker.findResourceCache(key))!.handle).to.equal(copy.handle);
    await other.invalidateResourceCache(key);
    expect(await world.worker.findResourceCache(key)).to.equal(undefined);
    const { volume: late } = await world.worker.createVolumeForArtifact('team');
    expect(await late.initializeStreamedResourceCache(key, { source: origin.handle })).to.equal(false);
    await other.expireArtifact(origin.handle);
    await other.reap();
  });
});
