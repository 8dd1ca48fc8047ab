import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';

import { expect } from 'chai';

import { FakeArtifact } from '../../../fakes/index.ts';
import { EmbeddedCluster } from '../../../src/embedded/index.ts';
import type { Container, ContainerSpec, StepDelegate, Worker } from '../../../src/index.ts';
import { newOwner, sh } from '../../contract/worker/setup.ts';
import { PostgresServer } from '../../support/database/postgres-server.ts';
import { withEmbeddedWorker } from '../../support/embedded-worker.ts';
import { rejection } from '../../support/rejection.ts';
import { tarOf } from '../../support/tar.ts';
import { workerSetup } from '../../support/worker-setup.ts';

const image = 'busybox:1';

/** An input of one file, which pauses halfway until `resume` is called. */
class HalvedInput {
  readonly artifact = new FakeArtifact({ handle: 'halved', source: 'elsewhere' });
  /** Resolves when the first half has been read. */
  readonly halfway: Promise<void>;
  resume: () => void = () => {};

  constructor(archive: Buffer) {
    const [halfway, resume] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    this.halfway = halfway.promise;
    this.resume = resume.resolve;
    this.artifact.streamOut.callsFake(async () =>
      Readable.from(
        (async function* () {
          yield archive.subarray(0, archive.length / 2);
          halfway.resolve();
          await resume.promise;
          yield archive.subarray(archive.length / 2);
        })(),
      ),
    );
  }

  get spec(): ContainerSpec {
    return { image, inputs: [{ artifact: this.artifact, path: '/tmp/in' }] };
  }
}

// A call that waits for the expiry of another lease fails its test, which is shorter.
describe('the lease of a container that is being created', () => {
  let archive: Buffer;
  const world = withEmbeddedWorker(image, { leaseMs: 600_000 });

  before(async () => {
    archive = await tarOf({ file: randomBytes(300_000).toString('hex') });
  });

  const completed = async (
    worker: Worker,
    owner: ReturnType<typeof newOwner>,
    delegate?: StepDelegate,
  ): Promise<Container> => {
    const input = new HalvedInput(archive);
    input.resume();
    const { container } = await worker.findOrCreateContainer(owner, input.spec, { delegate });
    expect((await sh(container, 'wc -c < /tmp/in/file')).stdout.trim()).to.equal('600000');
    return container;
  };

  it('is free for the next call as soon as a call was aborted in the middle of an input [A42]', async () => {
    const owner = newOwner();
    const input = new HalvedInput(archive);
    const abort = new AbortController();
    const aborted = rejection(world.worker.findOrCreateContainer(owner, input.spec, { signal: abort.signal }));
    await input.halfway;
    const pods = await world.setup.podNames();
    abort.abort(new Error('enough'));
    expect(await aborted).to.include({ message: 'enough' });
    await completed(world.worker, owner);
    expect(await world.setup.podNames()).to.deep.equal(pods);
    await world.worker.ownerFinished(owner);
    await world.worker.reap();
  });

  it('is free for the next call if the pod was deleted in the middle of an input, which is complete in another pod [A42]', async () => {
    const owner = newOwner();
    const input = new HalvedInput(archive);
    const failed = rejection(world.worker.findOrCreateContainer(owner, input.spec));
    await input.halfway;
    const [podName = ''] = await world.setup.podNames();
    await world.setup.deletePod(podName);
    input.resume();
    expect(await failed).to.include({ code: 'KW_ERR_POD_DELETED', podName });
    expect((await completed(world.worker, owner)).podName).to.not.equal(podName);
    await world.worker.ownerFinished(owner);
    await world.worker.reap();
  });

  it('is free for another host after a worker has closed in the middle of an input', async () => {
    const owner = newOwner();
    const input = new HalvedInput(archive);
    const closing = await world.setup.openWith({});
    const ended = rejection(closing.findOrCreateContainer(owner, input.spec));
    await input.halfway;
    await closing.close();
    expect(await ended).to.include({ code: 'KW_ERR_CLOSED' });
    await completed(world.worker, owner);
    await world.worker.ownerFinished(owner);
    await world.worker.reap();
  });

  it('is free after each of many aborts and closings at any point', async () => {
    const owner = newOwner();
    for (let turn = 0; turn < 12; turn += 1) {
      const host = await world.setup.openWith({});
      const input = new HalvedInput(archive);
      const abort = new AbortController();
      const ended = rejection(host.findOrCreateContainer(owner, input.spec, { signal: abort.signal }));
      await Promise.race([input.halfway, new Promise((resolve) => setTimeout(resolve, turn * 7))]);
      if (turn % 2 === 0) abort.abort(new Error('enough'));
      await host.close();
      await ended;
    }
    await completed(world.worker, owner);
    expect(await world.setup.podNames()).to.have.length(1);
    await world.worker.ownerFinished(owner);
    await world.worker.reap();
    expect(await world.setup.podNames()).to.deep.equal([]);
  });

  it('keeps another call waiting, which notifies its delegate', async () => {
    const owner = newOwner();
    const input = new HalvedInput(archive);
    const first = world.worker.findOrCreateContainer(owner, input.spec);
    await input.halfway;
    const waiting = Promise.withResolvers<string>();
    const other = await world.setup.openWith({});
    const second = completed(other, owner, {
      progress: ({ kind, podName }) => {
        if (kind === 'waiting-for-another-host') waiting.resolve(podName);
      },
    });
    expect(await world.setup.podNames()).to.include(await waiting.promise);
    input.resume();
    const [{ container }, found] = await Promise.all([first, second]);
    expect(found.handle).to.equal(container.handle);
    await other.close();
    await world.worker.ownerFinished(owner);
    await world.worker.reap();
  });

  it('is released for an artifact volume by close(), so that the reaper finds the volume at once', async () => {
    const closing = await world.setup.openWith({ volumeImage: 'registry.invalid/none:1' });
    const ended = rejection(closing.createVolumeForArtifact('team'));
    while ((await world.setup.podNames()).length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    await closing.close();
    expect(await ended).to.include({ code: 'KW_ERR_CLOSED' });
    expect((await world.worker.reap()).deletedVolumes).to.equal(1);
    expect(await world.setup.podNames()).to.deep.equal([]);
  });
});

describe('a container that is created during a database outage', () => {
  let cluster: EmbeddedCluster;
  let server: PostgresServer;

  before(async () => {
    [cluster, server] = await Promise.all([EmbeddedCluster.start(), PostgresServer.start()]);
  });

  after(async () => {
    await (cluster as EmbeddedCluster | undefined)?.close();
    await (server as PostgresServer | undefined)?.stop();
  });

  it('is completed in the same pod after the outage [A14] [A15]', async () => {
    const setup = workerSetup({
      kubeconfigPath: cluster.kubeconfigPath,
      namespace: 'default',
      database: server.url,
      image,
      missingImage: 'registry.invalid/none:1',
    });
    const worker = await setup.open();
    const owner = newOwner();
    const input = new HalvedInput(await tarOf({ file: randomBytes(300_000).toString('hex') }));
    const making = worker.findOrCreateContainer(owner, input.spec);
    making.catch(() => undefined);
    await input.halfway;
    const pods = await setup.podNames();
    await server.crash();
    input.resume();
    // The input is complete, and cannot be marked ready.
    await new Promise((resolve) => setTimeout(resolve, 500));
    await server.startAgain();
    const { container, mounts } = await making;
    expect(input.artifact.streamOut.callCount).to.equal(1);
    expect((await sh(container, 'wc -c < /tmp/in/file')).stdout.trim()).to.equal('600000');
    expect((await mounts.find(({ mountPath }) => mountPath === '/tmp/in')!.volume.status()).readyAt).to.be.instanceOf(
      Date,
    );
    expect(await setup.podNames()).to.deep.equal(pods);
    await worker.ownerFinished(owner);
    await worker.reap();
    await worker.close();
  });
});
