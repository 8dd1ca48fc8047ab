import { Readable } from 'node:stream';

import { expect } from 'chai';

import { ClosedError, type KubernetesWorker, type WorkerEvent } from '../../../src/index.ts';
import { makeContainer, newOwner } from '../../contract/worker/setup.ts';
import { withEmbeddedWorker } from '../../support/embedded-worker.ts';
import { rejection } from '../../support/rejection.ts';
import { tarOf } from '../../support/tar.ts';

const image = 'busybox:1';

describe('the events of a worker', () => {
  const world = withEmbeddedWorker(image);
  let worker: KubernetesWorker;
  let events: AsyncIterable<WorkerEvent>;

  beforeEach(async () => {
    // What another test has left is no event of this one.
    await world.worker.reap();
    worker = await world.setup.openWith({});
    events = worker.events();
  });

  /** Closes the worker and returns all its events without their times. */
  const all = async (): Promise<readonly Omit<WorkerEvent, 'at'>[]> => {
    await worker.close();
    const list: Omit<WorkerEvent, 'at'>[] = [];
    for await (const { at, ...facts } of events) {
      expect(at).to.be.instanceOf(Date);
      list.push(facts);
    }
    return list;
  };

  it('are, of one step from its creation to its reaping, in the order of what happened', async () => {
    const { volume } = await worker.createVolumeForArtifact('main');
    const { rawBytes, digest } = await volume.streamIn('.', Readable.from([await tarOf({ file: 'text' })]));
    const { container, owner, mounts } = await makeContainer(worker, image, {
      inputs: [{ artifact: volume, path: 'in' }],
      outputs: { result: 'out' },
    });
    const input = mounts.find(({ kind }) => kind === 'input')!.volume;
    const { digest: copied } = await input.status();
    const process = await container.run({ id: 'task', path: 'sh', args: ['-c', 'exit 3'] }, {});
    await process.wait();
    const output = mounts.find(({ name }) => name === 'result')!.volume;
    for await (const _chunk of await output.streamOut('.'));
    await worker.ownerFinished(owner, { final: true });
    await worker.expireArtifact(volume.handle);
    await worker.expireArtifact('unknown');
    await worker.reap();
    const { handle, podName } = container;
    const list = await all();
    const [volumePod] = list.flatMap((event) =>
      'podName' in event && event.podName !== podName ? [event.podName] : [],
    );
    expect(list).to.deep.equal([
      { kind: 'volume-created', handle: volume.handle, teamId: 'main' },
      { kind: 'volume-filled', handle: volume.handle, path: '.', rawBytes, digest },
      { kind: 'volume-filled', handle: input.handle, path: '.', rawBytes, digest: copied },
      { kind: 'container-created', handle, podName, owner },
      { kind: 'process-started', handle, processId: 'task' },
      { kind: 'process-ended', handle, processId: 'task', exitStatus: 3, signal: undefined },
      { kind: 'volume-streamed-out', handle: output.handle, path: '.' },
      { kind: 'owner-finished', owner, final: true },
      { kind: 'artifact-expired', handle: volume.handle },
      { kind: 'pod-deleted', podName, handle },
      { kind: 'capacity-released', by: 'pod', name: podName },
      { kind: 'pod-deleted', podName: volumePod, handle: volume.handle },
      { kind: 'capacity-released', by: 'pod', name: volumePod },
      {
        kind: 'reaped',
        deletedPods: 2,
        deletedContainers: 1,
        deletedVolumes: 4,
        deletedConfigMaps: 0,
        deletedArchives: 0,
        deletedKeys: 0,
        complete: true,
        failures: 0,
      },
    ]);
  });

  it('have the code of the error if a container fails', async () => {
    const owner = newOwner();
    const error = await rejection(worker.findOrCreateContainer(owner, { image: world.setup.missingImage }));
    const [failed] = await all();
    expect(failed).to.deep.include({ kind: 'container-failed', owner, code: Reflect.get(error, 'code') });
  });

  it('include the takeover of a container that another call has begun', async () => {
    const owner = newOwner();
    const controller = new AbortController();
    const spec = { image: 'registry.example/slow:1' };
    const delegate = { progress: () => controller.abort() };
    await rejection(world.worker.findOrCreateContainer(owner, spec, { delegate, signal: controller.signal }));
    await worker.findOrCreateContainer(owner, spec);
    const kinds = (await all()).map(({ kind }) => kind);
    expect(kinds).to.deep.equal(['container-taken-over', 'container-created']);
    await world.worker.ownerFinished(owner);
  });

  it('are refused by a closed worker, and with an invalid size of the buffer', async () => {
    for (const bufferSize of [0, 1.5, 100_001, Number.NaN])
      expect(() => worker.events({ bufferSize }), String(bufferSize))
        .to.throw()
        .with.property('field', 'bufferSize');
    await worker.close();
    expect(() => worker.events()).to.throw(ClosedError);
  });
});
