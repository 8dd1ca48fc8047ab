import { randomUUID } from 'node:crypto';

import { expect } from 'chai';

import type { StepProgress, Volume, Worker } from '../../../src/index.ts';
import { newOwner, sh, type WorkerSetup } from './setup.ts';

/** Describes how the caches of one build reach the next. */
export function describeCaches(setup: () => WorkerSetup): void {
  describe('caches', () => {
    let worker: Worker;
    const dir = '/tmp/build/caches';

    let earlier: readonly string[];

    beforeEach(async () => {
      worker = await setup().open();
      earlier = await setup().podNames();
    });

    afterEach(async () => {
      await worker.close();
    });

    /** Returns the pods of this test. */
    const ownPods = async (): Promise<readonly string[]> =>
      (await setup().podNames()).filter((name) => !earlier.includes(name));

    /** Replaces the task cache by an artifact volume, which is no copy, and deletes that. */
    const clear = async (step: { job: string; step: string }): Promise<void> => {
      const { volume } = await worker.createVolumeForArtifact('team');
      await volume.initializeTaskCache({ ...step, path: `${dir}/modules/` });
      expect((await build('ls modules', step)).events.map(({ kind }) => kind)).to.include('streaming-cache');
      await worker.expireArtifact(volume.handle);
      await worker.reap();
      expect(await ownPods()).to.deep.equal([]);
    };

    /** Runs a script in a container of its own, whose pod is deleted afterwards. */
    const build = async (
      script: string,
      step: { job: string; step: string },
      finish: (cache: Volume, path: string) => Promise<unknown> = async () => undefined,
    ): Promise<{ stdout: string; events: readonly StepProgress[] }> => {
      const owner = newOwner();
      const events: StepProgress[] = [];
      const { container, mounts } = await worker.findOrCreateContainer(
        owner,
        { image: setup().image, dir, caches: ['modules'], taskCache: step },
        { delegate: { progress: (event) => void events.push(event) } },
      );
      const { stdout, stderr, exitStatus } = await sh(container, script);
      expect(exitStatus, stderr).to.equal(0);
      const cache = mounts.find(({ kind }) => kind === 'cache')!;
      await finish(cache.volume, cache.mountPath);
      await worker.ownerFinished(owner);
      await worker.reap();
      return { stdout, events };
    };
    const list = `cd modules && find . -mindepth 1 | sort | while read name; do stat -c '%n %a %u %g %Y' "$name"; done; cat tree/file`;

    it('fill the folders of the next build of the step, after the container of the build before is reaped [A9]', async () => {
      const step = { job: randomUUID(), step: 'compile' };
      const first = await build(
        `mkdir -p modules/tree && echo content > modules/tree/file && chmod 640 modules/tree/file &&
         ln -s tree/file modules/link && ln modules/tree/file modules/hard && chmod 750 modules/tree &&
         touch -d '2020-01-02 03:04:05' modules/tree/file modules/tree && ${list}`,
        step,
        async (cache, path) => await cache.initializeTaskCache({ ...step, path }),
      );
      expect(first.events.map(({ kind }) => kind)).to.not.include('streaming-cache');
      const second = await build(list, step);
      expect(second.stdout)
        .to.equal(first.stdout)
        .and.to.match(/\.\/tree\/file 640 .*\ncontent\n$/s);
      const filled = second.events.findLast((event) => event.kind === 'streaming-cache')!;
      expect(filled).to.include({ path: `${dir}/modules`, isComplete: true });
      expect(filled.receivedBytes).to.equal(filled.totalBytes);
      const other = await build('ls -A modules', { ...step, step: 'another' });
      expect(other.stdout).to.equal('');
      await clear(step);
    });

    it('are those of one of two builds that finish a step at the same time, and nothing else is left', async () => {
      const step = { job: randomUUID(), step: 'compile' };
      await using second = await setup().open();
      const cachedBy = async (host: Worker, name: string) => {
        const owner = newOwner();
        const { container, mounts } = await host.findOrCreateContainer(owner, {
          image: setup().image,
          dir,
          caches: ['modules'],
          taskCache: step,
        });
        await sh(container, `echo ${name} > modules/by`);
        const { volume, mountPath } = mounts.find(({ kind }) => kind === 'cache')!;
        return { owner, finish: () => volume.initializeTaskCache({ ...step, path: mountPath }) };
      };
      const finishers = await Promise.all([cachedBy(worker, 'one'), cachedBy(second, 'two')]);
      await Promise.all(finishers.map(({ finish }) => finish()));
      for (const { owner } of finishers) await worker.ownerFinished(owner);
      await worker.reap();
      expect(await ownPods()).to.have.length(1);
      const { stdout } = await build('cat modules/by', step);
      expect(stdout).to.match(/^(one|two)\n$/);
      await clear(step);
    });

    it('of a resource are found by their key, as an input, until they are invalid', async () => {
      const key = `git ${randomUUID()}`;
      const { volume: first } = await worker.createVolumeForArtifact('team');
      const { volume: second } = await worker.createVolumeForArtifact('team');
      expect(await worker.findResourceCache(key)).to.equal(undefined);
      expect(await first.initializeResourceCache(key)).to.equal(true);
      expect(await second.initializeResourceCache(key)).to.equal(false);
      expect(await first.initializeResourceCache(key)).to.equal(true);
      expect((await worker.findResourceCache(key))!.handle).to.equal(first.handle);
      expect(await worker.invalidateResourceCache(key, { graceMs: 1 })).to.equal(true);
      expect(await worker.findResourceCache(key)).to.equal(undefined);
      expect(await worker.invalidateResourceCache(key)).to.equal(false);
      expect(await second.initializeResourceCache(key)).to.equal(true);
      await worker.reap();
      expect(await worker.lookupVolume(first.handle)).to.equal(undefined);
      expect((await worker.findResourceCache(key))!.handle).to.equal(second.handle);
      await worker.expireArtifact(second.handle);
      await worker.reap();
    });
  });
}
