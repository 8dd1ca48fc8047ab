import { randomUUID } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { Readable } from 'node:stream';

import type { PGlite } from '@electric-sql/pglite';
import { CoreV1Api } from '@kubernetes/client-node';
import { expect } from 'chai';

import {
  type Artifact,
  type ContainerOwner,
  type ContainerSpec,
  type KubernetesWorker,
  PodDeletedError,
  type StepProgress,
  type StoresOptions,
  type Volume,
} from '../../../src/index.ts';
import { abortable } from '../../../src/internal/abort.ts';
import { newOwner, sh } from '../../contract/worker/setup.ts';
import { newPGlite } from '../../support/database/pglite.ts';
import { podOutput } from '../../support/pod-output.ts';
import { type RealCluster, realCluster, realWorkers, shellImage } from '../../support/real-cluster.ts';
import { rejection } from '../../support/rejection.ts';
import { ClaimFixture } from '../../support/stores/claim-fixture.ts';
import { StoredBytesRecorder } from '../../support/stores/stored-bytes-recorder.ts';
import { hasS3Server, Versitygw } from '../../support/stores/versitygw.ts';
import { tarOf } from '../../support/tar.ts';

const dir = '/tmp/build/artifacts';
const artifacts = 1_000;
const uploadsAtOnce = 20;
const loadMiB = 4;
const make = (file: string): string => `head -c ${loadMiB * 1_048_576} /dev/urandom > ${file}`;
const digest = (file: string): string => `sha256sum < ${file}`;

/** A store of a worker, and what it has on its disk. */
interface StoreUnderTest {
  readonly options: StoresOptions;
  files(): Promise<readonly string[]>;
  remove(): Promise<void>;
}

describe('artifacts in stores on a real cluster', () => {
  let real: RealCluster;
  let database: PGlite;
  let nodes: readonly string[];
  let stored: StoredBytesRecorder;

  before(async function () {
    real = await realCluster(this, 'artifacts');
    database = await newPGlite();
    stored = new StoredBytesRecorder();
    const { items } = await real.kubeConfig.makeApiClient(CoreV1Api).listNode();
    nodes = items
      .filter(({ spec, status }) => {
        const isReady = status?.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True');
        return isReady === true && spec?.unschedulable !== true && (spec?.taints ?? []).length === 0;
      })
      .map(({ metadata }) => metadata?.labels?.['kubernetes.io/hostname'] ?? '');
  });

  after(async () => {
    await stored?.close();
    await real?.remove();
    await database?.close();
  });

  const onClaim = async (): Promise<StoreUnderTest> => {
    const api = real.kubeConfig.makeApiClient(CoreV1Api);
    const claims = new ClaimFixture(api, real.namespace);
    await claims.create('archives', { storageClassName: 'dynamic', storage: '256Mi' });
    const list = { claim: 'archives', script: 'find /claim -type f' };
    return {
      options: { pvc: { claim: 'archives' } },
      files: async () => (await podOutput(api, real.namespace, list)).split('\n').filter((line) => line !== ''),
      remove: () => claims.remove(),
    };
  };

  const inBucket = async (): Promise<StoreUnderTest> => {
    const server = await Versitygw.start();
    return {
      options: { s3: server.options() },
      files: async () => {
        const entries = await readdir(server.objects, { recursive: true, withFileTypes: true });
        return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
      },
      remove: () => server[Symbol.asyncDispose](),
    };
  };

  // An upload to a claim passes through an exec, so there are fewer: the other artifacts are copies.
  for (const { name, open, isAvailable, uploads } of [
    { name: 'pvc', open: onClaim, isAvailable: async () => true, uploads: 100 },
    { name: 's3', open: inBucket, isAvailable: hasS3Server, uploads: 1_000 },
  ])
    describe(`of the driver ${name}`, () => {
      let store: StoreUnderTest | undefined;
      let setup: ReturnType<typeof realWorkers>;
      let worker: KubernetesWorker;

      before(async function () {
        if (!(await isAvailable())) return this.skip();
        store = await open();
        setup = realWorkers(real, database);
        worker = await setup.openWith({ stores: store.options });
      });

      after(async () => {
        await worker?.close();
        await store?.remove();
      });

      const create = async (node: string | undefined, parts: Partial<ContainerSpec>) => {
        const owner = newOwner();
        const pod = node === undefined ? {} : { nodeSelector: { 'kubernetes.io/hostname': node } };
        const spec = { image: shellImage, dir, pod, ...parts };
        const { container, mounts } = await worker.findOrCreateContainer(owner, spec);
        const volumeOf = (kind: string): Volume => mounts.find((mount) => mount.kind === kind)!.volume;
        return { owner, container, volumeOf };
      };
      const script = async ({ container }: Awaited<ReturnType<typeof create>>, text: string): Promise<string> => {
        const { stdout, stderr, exitStatus } = await sh(container, text);
        expect(exitStatus, stderr).to.equal(0);
        return stdout;
      };
      /** Deletes the pod of a step. The outputs stay until the owner finishes. */
      const losePod = async ({ container }: Awaited<ReturnType<typeof create>>): Promise<void> => {
        await setup.deletePod((await container.describe()).podName);
      };
      const finish = async (...owners: readonly ContainerOwner[]): Promise<void> => {
        for (const owner of owners) await worker.ownerFinished(owner);
        await worker.reap();
      };

      it('reach the next step on the other node after the pod of their producer was deleted', async () => {
        const get = await create(nodes[0], { outputs: { out: 'out' } });
        const fetched = await script(get, `${make('out/data')} && ${digest('out/data')}`);
        await losePod(get);
        const task = await create(nodes.at(-1), {
          inputs: [{ artifact: get.volumeOf('output'), path: 'in' }],
          outputs: { out: 'out' },
        });
        expect(
          await script(task, `${digest('in/data')} && mkdir out/d && cp in/data out/d/ && chmod 750 out/d`),
        ).to.equal(fetched);
        await losePod(task);
        const put = await create(nodes[0], { inputs: [{ artifact: task.volumeOf('output'), path: 'in' }] });
        expect(await script(put, `${digest('in/d/data')}; stat -c %a in/d`)).to.equal(`${fetched}750\n`);
        await finish(get.owner, task.owner, put.owner);
      });

      it('reach a consumer that is created again after its pod was deleted while its inputs arrived', async () => {
        const get = await create(nodes[0], { outputs: { out: 'out' } });
        const fetched = await script(get, `${make('out/data')} && ${digest('out/data')}`);
        await losePod(get);
        const owner = newOwner();
        const isDeleted = Promise.withResolvers<void>();
        // An input of the host that arrives only after the deletion.
        const late: Artifact = {
          handle: randomUUID(),
          source: 'test',
          streamOut: async (_path, { signal } = {}) => {
            await abortable(isDeleted.promise, signal);
            return Readable.from([await tarOf({ file: 'late' })]);
          },
          readFile: async () => Buffer.from('late'),
        };
        const spec: ContainerSpec = {
          image: shellImage,
          dir,
          inputs: [
            { artifact: get.volumeOf('output'), path: 'in' },
            { artifact: late, path: 'late' },
          ],
        };
        const progress = (event: StepProgress): void => {
          if (event.kind !== 'streaming-input' || event.inputNumber !== 1 || !event.isComplete) return;
          setup.deletePod(event.podName).then(isDeleted.resolve, isDeleted.reject);
        };
        const error = await rejection(worker.findOrCreateContainer(owner, spec, { delegate: { progress } }));
        expect(error).to.be.instanceOf(PodDeletedError);
        const { container } = await worker.findOrCreateContainer(owner, spec);
        expect((await sh(container, `${digest('in/data')}; cat late/file`)).stdout).to.equal(`${fetched}late`);
        await finish(get.owner, owner);
      });

      it('and caches let a repeated build write less than 1 % of the bytes', async () => {
        const version = `git ${randomUUID()}`;
        const step = { job: randomUUID(), step: 'compile' };
        const build = async (number: number) => {
          const before = await stored.total();
          let source = await worker.findResourceCache(version);
          if (source === undefined) {
            const get = await create(nodes[0], { outputs: { out: 'out' } });
            await script(get, make('out/data'));
            const output = get.volumeOf('output');
            expect(await output.initializeResourceCache(version)).to.equal(true);
            await finish(get.owner);
            source = await worker.findResourceCache(version);
          }
          const task = await create(nodes.at(-1), {
            inputs: [{ artifact: source!, path: 'in' }],
            outputs: { out: 'out' },
            caches: ['modules'],
            taskCache: step,
          });
          const install = `[ -e modules/data ] || ${make('modules/data')}`;
          const result = await script(task, `${install}; cat in/data modules/data | sha256sum | tee out/result`);
          await losePod(task);
          const put = await create(nodes[0], { inputs: [{ artifact: task.volumeOf('output'), path: 'in' }] });
          expect(await script(put, 'cat in/result'), `build ${number}`).to.equal(result);
          await finish(task.owner, put.owner);
          return { result, bytes: (await stored.total()) - before };
        };
        const first = await build(1);
        const second = await build(2);
        expect(second.result).to.equal(first.result);
        expect(first.bytes).to.be.greaterThan(2 * loadMiB * 1_000_000);
        expect(second.bytes).to.be.within(1, first.bytes / 100);
      });

      it(`need no pod of their own: ${artifacts} of them, ${uploads} uploads and copies, leave at most the store pod`, async () => {
        const files = (await store!.files()).length;
        const archive = await tarOf({ file: 'small' });
        const volumes: Volume[] = [];
        let begun = 0;
        const produce = async (): Promise<void> => {
          while (begun < artifacts) {
            begun += 1;
            const isUpload = begun <= uploads;
            const { volume } = isUpload
              ? await worker.createVolumeForArtifact('team')
              : await worker.createArtifact(volumes[begun % volumes.length]!);
            if (isUpload) await volume.streamIn('.', Readable.from([archive]));
            volumes.push(volume);
          }
        };
        await Promise.all(Array.from({ length: uploadsAtOnce }, produce));
        expect(volumes).to.have.length(artifacts);
        const pods = await setup.podNames();
        expect(pods.filter((pod) => !pod.startsWith('store-'))).to.deep.equal([]);
        expect(pods.length).to.be.at.most(1);
        const last = await worker.lookupVolume(volumes.at(-1)!.handle);
        expect(Buffer.from(await last!.readFile('file')).toString()).to.equal('small');
        expect((await store!.files()).length - files).to.equal(uploads);
      }).timeout(300_000);

      it('leave no byte in the store after they have expired and the reaper has run', async () => {
        await database.query(
          "update kubernetes_worker.volumes set expires_at = now() - interval '1 second' where container_id is null",
        );
        await worker.reap();
        await database.query("update kubernetes_worker.archives set last_used_at = now() - interval '1 day'");
        await worker.reap();
        expect(await store!.files()).to.deep.equal([]);
      });

      it('leave no pod when the worker has retired', async () => {
        await worker.retire();
        while ((await worker.heartbeat()) !== undefined) await worker.reap();
        expect(await setup.podNames()).to.deep.equal([]);
      });
    });
});
