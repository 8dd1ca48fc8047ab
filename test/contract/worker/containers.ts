import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';

import { expect } from 'chai';

import {
  artifactOfFiles,
  type ContainerSpec,
  type StepProgress,
  type Volume,
  type Worker,
} from '../../../src/index.ts';
import { rejection } from '../../support/rejection.ts';
import { readTarText, tarOf } from '../../support/tar.ts';
import { Collector, makeContainer, newOwner, sh, type WorkerSetup, withoutTimes } from './setup.ts';

/**
 * Specifies `findOrCreateContainer`, the look-ups and the release of containers, for any cluster.
 */
export function describeContainers(setup: () => WorkerSetup): void {
  describe('a container', () => {
    let worker: Worker;
    let image: string;

    before(async () => {
      image = setup().image;
      worker = await setup().open();
    });

    after(async () => {
      await worker.reap();
      await worker.close();
    });

    const uploaded = async (entries: Record<string, string>): Promise<Volume> => {
      const { volume } = await worker.createVolumeForArtifact('team');
      await volume.streamIn('.', Readable.from([await tarOf(entries)]));
      return volume;
    };

    it('reports the progress of its creation, in order, until commands may run', async () => {
      const inputs = [await uploaded({ 'a.txt': 'first' }), await uploaded({ 'b.txt': 'second' })];
      const owner = newOwner();
      const spec = { image, inputs: inputs.map((artifact, index) => ({ artifact, path: `/tmp/in/${index}` })) };
      const events: StepProgress[] = [];
      const delegate = { progress: (event: StepProgress): void => void events.push(event) };
      await worker.findOrCreateContainer(owner, spec, { delegate });
      // A cluster may show these states, or skip them.
      const seen = events.filter(({ kind }) => kind !== 'pulling' && kind !== 'unschedulable');
      expect(seen.filter(({ kind }) => kind !== 'streaming-input').map(({ kind }) => kind)).to.deep.equal([
        'creating-pod',
        'scheduled',
        'pulled',
        'agent-ready',
        'inputs-done',
        'ready',
      ]);
      const complete = events.flatMap((event) =>
        event.kind === 'streaming-input' && event.isComplete ? [[event.inputNumber, event.handle, event.path]] : [],
      );
      expect(complete.sort()).to.deep.equal(
        inputs.map(({ handle }, index) => [index + 1, handle, spec.inputs[index]?.path]),
      );
      expect(await setup().podNames()).to.include(events[0]?.podName);

      events.length = 0;
      await worker.findOrCreateContainer(owner, spec, { delegate });
      expect(events.map(({ kind }) => kind)).to.deep.equal(['ready']);
      await worker.ownerFinished(owner);
      for (const { handle } of inputs) await worker.expireArtifact(handle);
    });

    context('with inputs, outputs and caches', () => {
      it('mounts each at its path, and an output can be the input of the next container [A3] [A38]', async () => {
        const [first, second] = [await uploaded({ 'a.txt': 'first' }), await uploaded({ 'b.txt': 'second' })];
        const spec: ContainerSpec = {
          image,
          dir: '/tmp/build/step',
          env: ['TWO=/tmp/build/elsewhere/two'],
          inputs: [
            { artifact: first, path: 'one' },
            { artifact: second, path: '/tmp/build/elsewhere/two/' },
          ],
          outputs: { result: 'result', changed: 'one' },
          caches: ['cache'],
        };
        const owner = newOwner();
        const { container, mounts } = await worker.findOrCreateContainer(owner, spec);
        expect(mounts.map(({ kind, mountPath, name }) => [mountPath, kind, name]).sort()).to.deep.equal([
          ['/tmp/build/elsewhere/two', 'input', undefined],
          ['/tmp/build/step', 'dir', undefined],
          ['/tmp/build/step/cache', 'cache', undefined],
          ['/tmp/build/step/one', 'output', 'changed'],
          ['/tmp/build/step/result', 'output', 'result'],
        ]);
        const { stdout } = await sh(
          container,
          'cat one/a.txt; cat "$TWO/b.txt"; echo more > one/more.txt; echo made > result/made.txt; ls cache',
        );
        expect(stdout).to.equal('firstsecond');
        const next = await makeContainer(worker, image, {
          inputs: mounts
            .filter(({ kind }) => kind === 'output')
            .map(({ volume, name }) => ({ artifact: volume, path: name ?? '' })),
        });
        expect((await sh(next.container, 'cat changed/a.txt changed/more.txt result/made.txt')).stdout).to.equal(
          'firstmore\nmade\n',
        );
        await worker.ownerFinished(owner);
        await worker.ownerFinished(next.owner);
        for (const { handle } of [first, second]) await worker.expireArtifact(handle);
      });

      it('has a directory, outputs and inputs that the user of its processes can write', async () => {
        const input = await uploaded({ 'in.txt': 'in' });
        const { container, owner } = await makeContainer(worker, image, {
          inputs: [{ artifact: input, path: 'in' }],
          outputs: { out: 'out' },
        });
        const { exitStatus, stderr } = await sh(container, 'set -e; touch here in/here out/here; id -u');
        expect({ exitStatus, stderr }).to.deep.equal({ exitStatus: 0, stderr: '' });
        await worker.ownerFinished(owner);
        await worker.expireArtifact(input.handle);
      });
    });

    context('with files of the host as an input', () => {
      it('has the files with their modes, which are in no pod object, and is the same for a host that restarts', async () => {
        const spec = (): ContainerSpec => ({
          image,
          inputs: [
            { artifact: artifactOfFiles({ token: { content: 's3cr3t', mode: 0o400 } }), path: '/tmp/credentials' },
          ],
        });
        const owner = newOwner();
        const { container } = await worker.findOrCreateContainer(owner, spec());
        expect((await sh(container, 'cd /tmp/credentials; cat token; stat -c " %a" token')).stdout).to.equal(
          's3cr3t 400\n',
        );
        expect(await setup().podJson(container.podName)).to.not.include('s3cr3t');
        expect((await worker.findOrCreateContainer(owner, spec())).container.handle).to.equal(container.handle);
        await worker.ownerFinished(owner);
      });
    });

    context('when the same owner requests it again', () => {
      it('is the same container for every instance and all concurrent calls [A13]', async () => {
        const owner = newOwner();
        const spec = { image, dir: '/tmp/build/same', outputs: { o: 'o' } };
        const other = await setup().open();
        try {
          const made = await Promise.all(
            [worker, other, worker, other].map((each) => each.findOrCreateContainer(owner, spec)),
          );
          expect(new Set(made.map(({ container }) => container.handle)).size).to.equal(1);
          expect(made.filter(({ created }) => created)).to.have.length(1);
          expect((await other.findOrCreateContainer(owner, spec)).created).to.equal(false);
          expect(
            new Set(
              made.map(({ mounts }) =>
                mounts
                  .map(({ volume }) => volume.handle)
                  .sort()
                  .join(),
              ),
            ).size,
          ).to.equal(1);
          expect((await setup().podNames()).filter((name) => name === made[0]!.container.podName)).to.have.length(1);
        } finally {
          await other.close();
        }
        await worker.ownerFinished(owner);
      });

      it('rejects with CONTAINER_DISAPPEARED if its pod no longer exists, and is never created again under that handle [A23] [A24]', async () => {
        const { container, owner, spec } = await makeContainer(worker, image);
        await sh(container, 'exit 6', { id: 'ended' });
        await setup().deletePod(container.podName);
        expect(await rejection(worker.findOrCreateContainer(owner, spec))).to.include({
          code: 'KW_ERR_CONTAINER_DISAPPEARED',
          handle: container.handle,
        });
        for (const _ of [1, 2])
          expect((await rejection(container.run({ path: 'true' }, {}))).code).to.equal('KW_ERR_CONTAINER_DISAPPEARED');
        const ended = await container.attach('ended', {});
        expect((await ended.wait()).exitStatus).to.equal(6);
        await worker.ownerFinished(owner);
      });

      it('returns results and properties from the database to a restarted host after its pod ended, and reports the missing output', async () => {
        const { container, owner, spec } = await makeContainer(worker, image);
        await container.setProperty('kept', 'in the database');
        await sh(container, 'echo 0123456789; echo err >&2; exit 6', { id: 'ended' });
        await setup().deletePod(container.podName);
        const restarted = await setup().open();
        try {
          const error = await rejection(restarted.findOrCreateContainer(owner, spec));
          expect(error).to.include({ code: 'KW_ERR_CONTAINER_DISAPPEARED', handle: container.handle });
          const found = (await restarted.lookupContainer(container.handle))!;
          expect(await found.properties()).to.deep.equal({ kept: 'in the database' });
          const [stdout, stderr] = [new Collector(), new Collector()];
          const attached = await found.attach(
            'ended',
            { stdout, stderr },
            { from: { stdoutBytes: 5, stderrBytes: 4 } },
          );
          const { exitStatus, undelivered = [] } = await attached.wait();
          expect(exitStatus).to.equal(6);
          expect(undelivered).to.have.length(1);
          expect(undelivered[0]).to.have.property('stream', 'stdout');
          expect(undelivered[0]?.cause).to.include({ code: 'KW_ERR_OUTPUT_FREED', fromBytes: 5, toBytes: 11 });
          expect((await rejection(found.run({ id: 'ended', path: 'true' }, {}))).code).to.equal(
            'KW_ERR_PROCESS_SPEC_CHANGED',
          );
          const again = await found.run({ id: 'ended', path: 'true' }, {}, { onSpecChange: 'keep' });
          expect(withoutTimes(await again.wait())).to.deep.equal({ exitStatus: 6 });
          for (const call of [
            () => found.run({ id: 'new', path: 'true' }, {}),
            () => found.attach('new', {}),
            () => found.setProperty('a', 'b'),
          ])
            expect((await rejection(call())).code).to.equal('KW_ERR_CONTAINER_DISAPPEARED');
          await restarted.ownerFinished(owner);
          expect(await restarted.lookupContainer(container.handle)).to.equal(undefined);
        } finally {
          await restarted.close();
        }
      });
    });

    context('when the same owner requests it with another specification', () => {
      it('rejects, names the container, and changes nothing', async () => {
        const { container, owner, spec } = await makeContainer(worker, image, { env: ['TOKEN=first'] });
        const before = await setup().podNames();
        const error = await rejection(worker.findOrCreateContainer(owner, { ...spec, env: ['TOKEN=hunter2'] }));
        expect(error).to.deep.include({ code: 'KW_ERR_SPEC_CHANGED', handle: container.handle, owner });
        expect(error.message).to.not.match(/hunter2|TOKEN/);
        expect(await setup().podNames()).to.deep.equal(before);
        expect((await sh(container, 'echo "$TOKEN"')).stdout).to.equal('first\n');
        await worker.ownerFinished(owner);
      });

      it('is the existing container if the caller keeps it', async () => {
        const { container, owner, spec } = await makeContainer(worker, image, { env: ['TOKEN=first'] });
        const kept = await worker.findOrCreateContainer(owner, { ...spec, env: [] }, { onSpecChange: 'keep' });
        expect([kept.container.handle, kept.created]).to.deep.equal([container.handle, false]);
        expect((await sh(kept.container, 'echo "$TOKEN"')).stdout).to.equal('first\n');
        await worker.ownerFinished(owner);
      });
    });

    context('that cannot be created', () => {
      it('names the image that cannot be pulled, and the next call starts over [A42]', async () => {
        const owner = newOwner();
        const error = await rejection(worker.findOrCreateContainer(owner, { image: setup().missingImage }));
        expect(error).to.include({ code: 'KW_ERR_IMAGE_PULL_FAILED', image: setup().missingImage });
        const { container } = await worker.findOrCreateContainer(owner, { image });
        expect((await sh(container, 'echo works')).stdout).to.equal('works\n');
        await worker.ownerFinished(owner);
      });

      it('rejects at once without a node if it must not wait for one', async () => {
        const owner = newOwner();
        const abort = new AbortController();
        const reason = new Error('no time for that');
        const making = rejection(
          worker.findOrCreateContainer(owner, { image, limits: { cpuMilli: 4_000_000 } }, { signal: abort.signal }),
        );
        abort.abort(reason);
        expect(await making).to.equal(reason);
        await worker.ownerFinished(owner);
      });

      it('names the field of an invalid specification, and creates nothing [A11]', async () => {
        const artifact = await uploaded({ a: 'a' });
        const before = await setup().podNames();
        const wrong: Record<string, Partial<ContainerSpec>> = {
          image: { image: '' },
          dir: { dir: 'relative' },
          'env[0]': { env: ['=x'] },
          user: { user: '' },
          'inputs[0].path': { inputs: [{ artifact, path: '/a/../../b' }] },
          'inputs[1].path': {
            inputs: [
              { artifact, path: '/same' },
              { artifact, path: '/same/' },
            ],
          },
          'outputs.o': { outputs: { o: '/' } },
          'caches[0]': { caches: ['/.kw/volumes'] },
          'limits.memoryBytes': { limits: { memoryBytes: -1 } },
          'sidecars[0].name': { sidecars: [{ name: 'main', image }] },
        };
        for (const [field, parts] of Object.entries(wrong)) {
          expect(await rejection(worker.findOrCreateContainer(newOwner(), { image, ...parts })), field).to.include({
            code: 'KW_ERR_INVALID_SPEC',
            field,
          });
        }
        expect((await rejection(worker.findOrCreateContainer({ kind: '', key: 'x' }, { image }))).code).to.equal(
          'KW_ERR_INVALID_SPEC',
        );
        expect(await setup().podNames()).to.deep.equal(before);
        await worker.expireArtifact(artifact.handle);
      });

      it('explains which image a step gets, and refuses a step without one [A5]', async () => {
        expect(await worker.explainImage({ image: `docker:///${image}` })).to.deep.equal({
          image,
          refusal: undefined,
          rule: undefined,
          chain: [{ source: 'step', effect: 'chosen' }],
          warnings: [],
        });
        const { refusal } = await worker.explainImage({ resourceType: 'git' });
        expect(refusal).to.include('"git"');
        const error = await rejection(worker.findOrCreateContainer(newOwner(), { resourceType: 'git' }));
        expect(error).to.include({ code: 'KW_ERR_INVALID_SPEC', field: 'image', message: `image: ${refusal ?? ''}` });
      });

      it('rejects with the error of an input, and runs nothing [A38]', async () => {
        const failure = new Error('the input is broken');
        const artifact: Volume = Object.create(null, {
          handle: { value: 'broken' },
          streamOut: { value: async () => await Promise.reject(failure) },
        }) as Volume;
        const good = await uploaded({ a: 'a' });
        const owner = newOwner();
        const spec = {
          image,
          dir: '/tmp/build/broken',
          inputs: [
            { artifact: good, path: 'good' },
            { artifact, path: 'broken' },
          ],
        };
        expect(await rejection(worker.findOrCreateContainer(owner, spec))).to.equal(failure);
        await worker.expireArtifact(good.handle);
      });
    });

    context('with a sidecar', () => {
      it('shares its volumes with the sidecar', async () => {
        // Without a trap the first process of a container ignores TERM, and its pod would exist
        // until it is killed.
        const script = 'trap "exit 0" TERM; echo from the sidecar > file; while :; do sleep 0.1; done';
        const sidecars = [{ name: 'side', image, command: ['sh', '-c', script], dir: '/tmp/build/test/shared' }];
        const { container, owner } = await makeContainer(worker, image, { outputs: { shared: 'shared' }, sidecars });
        const { stdout } = await sh(container, 'while ! [ -s shared/file ]; do sleep 0.1; done; cat shared/file');
        expect(stdout).to.equal('from the sidecar\n');
        await worker.ownerFinished(owner);
      });
    });

    context('when looked up', () => {
      it('is undefined if it never existed [A16]', async () => {
        expect(await worker.lookupContainer('00000000-0000-4000-8000-000000000000')).to.equal(undefined);
        expect(await worker.lookupVolume('00000000-0000-4000-8000-000000000000')).to.equal(undefined);
      });
    });

    context('when the cluster has a pod of the worker without a row', () => {
      it('is not affected by the pass of the reaper that deletes the pod', async () => {
        const { container } = await makeContainer(worker, image);
        const handle = randomUUID();
        await setup().copyPod(container.podName, handle);
        const { unknownPods } = await worker.planReap();
        expect(unknownPods).to.deep.equal([{ podName: `unknown-${handle}`, handle }]);
        expect(await setup().podNames()).to.include(`unknown-${handle}`);
        expect((await worker.reap()).deletedPods).to.be.greaterThanOrEqual(1);
        const pods = await setup().podNames();
        expect(pods).to.include(container.podName).and.to.not.include(`unknown-${handle}`);
        expect((await sh(container, 'echo alive')).stdout).to.equal('alive\n');
      });
    });

    context('when it is no longer needed', () => {
      it('is reaped with its pod and its volumes, and so is an artifact, and every call is idempotent [A16] [A44] [A52]', async () => {
        const artifact = await uploaded({ a: 'a' });
        const { container, mounts, owner } = await makeContainer(worker, image, { outputs: { o: 'o' } });
        for (const _ of [1, 2]) {
          await worker.ownerFinished(owner);
          await worker.expireArtifact(artifact.handle);
        }
        expect(await worker.lookupContainer(container.handle)).to.equal(undefined);
        const plan = await worker.planReap();
        expect(plan.containers).to.deep.include({
          handle: container.handle,
          owner,
          podName: container.podName,
          reason: 'marked',
        });
        expect(plan.volumes).to.deep.include({ handle: artifact.handle, reason: 'marked' });
        const first = await worker.reap();
        expect(first.deletedPods).to.be.greaterThanOrEqual(2);
        expect(first.deletedVolumes).to.be.greaterThanOrEqual(3);
        expect(await worker.reap()).to.deep.equal({
          deletedPods: 0,
          deletedContainers: 0,
          deletedVolumes: 0,
          deletedConfigMaps: 0,
          deletedArchives: 0,
          deletedKeys: 0,
          complete: true,
        });
        expect(await setup().podNames()).to.not.include(container.podName);
        for (const { volume } of [...mounts, { volume: artifact }])
          expect(await worker.lookupVolume(volume.handle)).to.equal(undefined);
        await worker.ownerFinished(newOwner());
        await worker.expireArtifact('never-was');
      });
    });

    it('can be created if check() reports no failure', async () => {
      const { ok, findings } = await worker.check({ startPod: true });
      // The worker may lack optional permissions.
      const problems = findings.filter(({ outcome, check }) => outcome !== 'ok' && check !== 'permissions');
      expect(problems).to.deep.equal([]);
      expect(ok).to.equal(true);
      expect(findings.at(-1)?.check).to.equal('pod-start');
    });

    context('when its owner has finished', () => {
      it('is not created again for a late host if the owner has finished for good', async () => {
        const { container, owner, spec } = await makeContainer(worker, image);
        await worker.ownerFinished(owner, { final: true });
        const late = await setup().open();
        const error = await rejection(late.findOrCreateContainer(owner, spec));
        await late.close();
        expect(error).to.deep.include({ code: 'KW_ERR_OWNER_FINISHED', owner, workerName: worker.name });
        expect(await worker.lookupContainer(container.handle)).to.equal(undefined);
      });

      it('stays if a late host finishes an older container of the owner', async () => {
        const { container: older, owner, spec } = await makeContainer(worker, image);
        await worker.ownerFinished(owner);
        const { container: newer } = await worker.findOrCreateContainer(owner, spec);
        await worker.ownerFinished(owner, { handle: older.handle, final: true });
        const found = await worker.findOrCreateContainer(owner, spec);
        expect([newer.handle, found.created]).to.deep.equal([found.container.handle, false]);
        await worker.ownerFinished(owner, { handle: newer.handle });
        expect(await worker.lookupContainer(newer.handle)).to.equal(undefined);
      });
    });

    it('has files of its own', async () => {
      const [one, two] = [
        await makeContainer(worker, image, { outputs: { o: 'o' } }),
        await makeContainer(worker, image, { outputs: { o: 'o' } }),
      ];
      await sh(one.container, 'echo one > o/one');
      expect((await sh(two.container, 'ls o')).stdout).to.equal('');
      expect(await readTarText(await one.mounts.find(({ name }) => name === 'o')!.volume.streamOut('.'))).to.deep.equal(
        { one: 'one\n' },
      );
      await worker.ownerFinished(one.owner);
      await worker.ownerFinished(two.owner);
    });
  });
}
