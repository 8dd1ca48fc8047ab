import { randomUUID } from 'node:crypto';

import { expect } from 'chai';

import type { ContainerSpec, KubernetesWorker } from '../../../src/index.ts';
import { makeContainer, sh } from '../../contract/worker/setup.ts';
import { type EmbeddedWorker, embeddedWorker } from '../../support/embedded-worker.ts';
import { MemoryArchiveStore } from '../../support/stores/memory-archive-store.ts';

const image = 'busybox:1';

describe('caches in a store on the embedded cluster', () => {
  let world: EmbeddedWorker;
  let store: MemoryArchiveStore;
  let worker: KubernetesWorker;

  before(async () => {
    world = await embeddedWorker(image);
    store = new MemoryArchiveStore();
    worker = await world.setup.openWith({ stores: { custom: [store] } });
  });

  after(async () => {
    await worker?.close();
    await world?.close();
  });

  const build = async (job: string, command: string): Promise<string> => {
    const parts: Partial<ContainerSpec> = { caches: ['cache'], taskCache: { job, step: 'build' } };
    const { container } = await makeContainer(worker, image, parts);
    return (await sh(container, command)).stdout;
  };
  const stored = (): number => [...store.archives.values()].reduce((sum, { bytes }) => sum + bytes.length, 0);

  it('move no bytes when a build is repeated, and are replaced by the last finisher', async () => {
    const job = randomUUID();
    await build(job, 'head -c 1000000 /dev/urandom > cache/file');
    const before = stored();
    expect(before).to.be.above(1_000_000);
    expect(await build(job, 'wc -c < cache/file')).to.equal('1000000\n');
    expect(stored() - before).to.be.below(before / 100);
    await build(job, 'echo changed > cache/file; exit 1');
    expect(await build(job, 'cat cache/file')).to.equal('changed\n');
    expect(await build(randomUUID(), 'ls cache')).to.equal('');
  });

  it('are missed if their archive is damaged or missing', async () => {
    for (const spoil of ['damaged', 'missing']) {
      const job = randomUUID();
      store.archives.clear();
      await build(job, 'head -c 1000 /dev/urandom > cache/file');
      const [key, archive] = [...store.archives][0]!;
      if (spoil === 'missing') store.archives.delete(key);
      else archive.bytes[Math.floor(archive.bytes.length / 2)]! ^= 1;
      expect(await build(job, 'ls cache'), spoil).to.equal('');
    }
  });

  it('leave nothing in the store after their expiry', async () => {
    await build(randomUUID(), 'echo kept > cache/file');
    await world.database.query(
      `update kubernetes_worker.volumes set expires_at = now() - interval '1 second' where kind = 'artifact'`,
    );
    await worker.reap();
    await world.database.query(`update kubernetes_worker.archives set last_used_at = now() - interval '1 hour'`);
    const { deletedArchives } = await worker.reap();
    expect(deletedArchives).to.be.above(0);
    expect([...store.archives.keys()]).to.deep.equal([]);
  });
});
