import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';

import { expect } from 'chai';

import type { Volume, VolumeMount, Worker } from '../../../src/index.ts';
import { rejection } from '../../support/rejection.ts';
import { readTar, tarOf } from '../../support/tar.ts';
import { makeContainer, sh, type WorkerSetup } from './setup.ts';

/** Specifies what a worker retains, and for how long, for any cluster. */
export function describeRetention(setup: () => WorkerSetup): void {
  describe('retention', () => {
    /** Two hosts: one reads, the other one finishes owners and reaps. */
    let worker: Worker;
    let other: Worker;

    before(async () => {
      [worker, other] = await Promise.all([setup().open(), setup().open()]);
    });

    after(async () => {
      await worker.reap();
      await Promise.all([worker.close(), other.close()]);
    });

    const named = (mounts: readonly VolumeMount[], wanted: string): Volume =>
      mounts.find(({ name }) => name === wanted)!.volume;
    const pods = async () => await setup().podNames();
    const reapUntilGone = async (podName: string): Promise<void> => {
      do await other.reap();
      while ((await pods()).includes(podName));
    };

    context('when an owner finishes while one of its volumes is read slowly', () => {
      it('streams out every byte although another host reaps, and the pod is deleted afterwards', async () => {
        const { container, mounts, owner } = await makeContainer(worker, setup().image, {
          outputs: { result: 'result' },
        });
        const made = await sh(container, 'head -c 20000000 /dev/urandom > result/f; sha256sum < result/f');
        const archive = await named(mounts, 'result').streamOut('.');
        await other.ownerFinished(owner);
        const chunks: Buffer[] = [];
        for await (const chunk of archive) {
          if (chunks.length < 3) await other.reap();
          chunks.push(chunk as Buffer);
        }
        const file = (await readTar(Buffer.concat(chunks))).get('f')!.content;
        expect(made.stdout).to.match(new RegExp(`^${createHash('sha256').update(file).digest('hex')} `));
        await reapUntilGone(container.podName);
      });

      it('keeps nothing for a reader that has stopped', async () => {
        const { container, mounts, owner } = await makeContainer(worker, setup().image, {
          outputs: { result: 'result' },
        });
        const archive = await named(mounts, 'result').streamOut('.');
        await other.ownerFinished(owner);
        await other.reap();
        expect(await pods()).to.include(container.podName);
        archive.on('error', () => undefined).destroy();
        await reapUntilGone(container.podName);
      });
    });

    context('when an artifact volume is used', () => {
      it('expires later after each use, and reports when', async () => {
        const { volume, expiresAt } = await worker.createVolumeForArtifact('team');
        expect((await volume.status()).expiresAt).to.deep.equal(expiresAt);
        await volume.streamIn('.', Readable.from([await tarOf({ 'a.txt': 'alpha' })]));
        const { expiresAt: afterUpload } = await volume.status();
        expect(afterUpload!.getTime()).to.be.greaterThan(expiresAt.getTime());
        const inputs = [{ artifact: volume, path: 'in' }];
        const { mounts, owner } = await makeContainer(worker, setup().image, { inputs });
        const { expiresAt: afterInput } = await volume.status();
        expect(afterInput!.getTime()).to.be.greaterThan(afterUpload!.getTime());
        expect((await mounts.find(({ kind }) => kind === 'input')!.volume.status()).expiresAt).to.equal(undefined);
        await other.ownerFinished(owner);
        await other.expireArtifact(volume.handle);
      });
    });

    context('when a finished container is kept', () => {
      it('leaves its owner, and can be inspected by its handle until it is ended', async () => {
        const parts = { outputs: { result: 'result' } };
        const { container, mounts, owner, spec } = await makeContainer(worker, setup().image, parts);
        const volume = named(mounts, 'result');
        await sh(container, 'echo why > result/why', { id: 'task' });
        await worker.ownerFinished(owner, { keepForMs: 3_600_000 });
        await other.reap();
        expect(await other.findContainer(owner)).to.equal(undefined);
        const { containers } = await other.listContainers({ state: 'kept', limit: 1_000 });
        const info = containers.find(({ handle }) => handle === container.handle);
        expect(info!.keptUntil!.getTime() - info!.createdAt.getTime()).to.be.greaterThan(3_500_000);

        const kept = (await other.lookupContainer(container.handle))!;
        expect((await sh(kept, 'cat result/why')).stdout).to.equal('why\n');
        expect(await (await kept.attach('task', {})).wait()).to.include({ exitStatus: 0 });
        const found = (await other.lookupVolume(volume.handle))!;
        expect(Buffer.from(await found.readFile('why')).toString()).to.equal('why\n');
        await found.streamIn('.', Readable.from([await tarOf({ note: 'noted' })]));

        const again = await worker.findOrCreateContainer(owner, spec);
        expect(again).to.include({ created: true });
        expect(again.container.handle).to.not.equal(container.handle);
        await worker.ownerFinished(owner);
        await worker.reap();
        expect(await pods())
          .to.include(container.podName)
          .and.not.include(again.container.podName);
        await worker.ownerFinished(owner, { handle: container.handle });
        await reapUntilGone(container.podName);
        expect(await other.lookupContainer(container.handle)).to.equal(undefined);
      });

      it('is not combined with the deletion of its pod', async () => {
        const { container, owner } = await makeContainer(worker, setup().image);
        const error = await rejection(worker.ownerFinished(owner, { keepForMs: 1_000, deletePod: {} }));
        expect(error).to.include({ code: 'KW_ERR_INVALID_SPEC', field: 'deletePod' });
        expect((await worker.findContainer(owner))?.handle).to.equal(container.handle);
        await worker.ownerFinished(owner);
      });
    });

    it('counts what each team has', async () => {
      const owner = { kind: 'usage', key: 'usage' };
      const options = { metadata: { team: 'usage' } };
      await worker.findOrCreateContainer(owner, { image: setup().image, dir: '/tmp/build/test' }, options);
      await worker.ownerFinished(owner, { keepForMs: 60_000 });
      const groups = await other.usage({ by: 'team' });
      expect(groups.find(({ team }) => team === 'usage')).to.deep.include({ liveContainers: 0, keptContainers: 1 });
      const owners = await other.usage({ by: 'owner' });
      expect(owners.find((group) => group.owner?.kind === 'usage')).to.deep.include({ owner, keptContainers: 1 });
      const wrong = worker.usage({ by: 'pipeline' } as never);
      expect(await rejection(wrong)).to.include({ code: 'KW_ERR_INVALID_SPEC', field: 'by' });
      const { containers } = await worker.listContainers({ ownerKind: 'usage' });
      await worker.ownerFinished(owner, { handle: containers[0]!.handle });
    });
  });
}
