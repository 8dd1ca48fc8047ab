import { once } from 'node:events';

import { expect } from 'chai';

import { FakeContainer, FakeWorker } from '../../../../fakes/index.ts';
import type { ContainerInfo } from '../../../../src/index.ts';
import { examineAll } from '../../../../src/service/cli/container-list.ts';

describe('examineAll', () => {
  const { signal } = new AbortController();
  const info = (handle: string): ContainerInfo => ({
    handle,
    owner: { kind: 'k', key: handle },
    state: 'created',
    podName: `pod-${handle}`,
    podUid: undefined,
    metadata: {},
    createdAt: new Date(0),
  });

  it('lists a container whose pod does not answer in time, with the reason', async () => {
    const [worker, silent, answering] = [new FakeWorker({ name: 'w' }), new FakeContainer(), new FakeContainer()];
    worker.lookupContainer.withArgs('silent').resolves(silent).withArgs('good').resolves(answering);
    silent.describe.callsFake(async (options) => {
      await once(options?.signal as AbortSignal, 'abort');
      throw options?.signal?.reason;
    });
    silent.listProcesses.resolves([]);
    answering.describe.resolves({ nodeName: 'n' } as never);
    answering.listProcesses.resolves([]);
    expect(await examineAll(worker, [info('silent'), info('good')], signal, 20)).to.deep.equal([
      { ...info('silent'), problem: 'no answer within 0.02 seconds' },
      { ...info('good'), nodeName: 'n', processes: [] },
    ]);
  });
});
