import { expect } from 'chai';
import sinon from 'sinon';

import { FakeArtifactStore } from '../../../../fakes/index.ts';
import type { VolumeRecord } from '../../../../src/repository/records.ts';
import { saverOf, TaskCacheSaver } from '../../../../src/worker/process/task-cache-saver.ts';
import { rejection } from '../../../support/rejection.ts';
import { silentLogger } from '../../../support/silent-logger.ts';

describe('TaskCacheSaver', () => {
  const podStore = new FakeArtifactStore({ name: 'pod' });
  const command = { handle: 'c', processId: 'p' };
  const volume = (handle: string, kind: VolumeRecord['kind'], mountPath: string) =>
    ({ handle, kind, mountPath, location: { at: handle } }) as unknown as VolumeRecord;
  let keepTaskCache: sinon.SinonStub;
  let emit: sinon.SinonSpy;
  const step = { job: 'j', step: 's' };
  let saver: TaskCacheSaver;

  beforeEach(() => {
    keepTaskCache = sinon.stub().resolves();
    emit = sinon.spy();
    saver = new TaskCacheSaver({
      containers: {
        volumesOf: async () => [volume('a', 'cache', '/a'), volume('o', 'output', '/o'), volume('b', 'cache', '/b')],
      },
      caches: { keepTaskCache },
      podStore,
      retry: async (work) => await work(),
      holding: async (work, { signal }) => await work(signal ?? new AbortController().signal),
      emit,
      logger: silentLogger,
    });
  });

  it('saves the folders of all caches under the keys of the step', async () => {
    await saver.save(command, step, {});
    const open = { store: podStore, location: { at: 'a' } };
    sinon.assert.calledTwice(keepTaskCache);
    sinon.assert.calledWithMatch(
      keepTaskCache,
      { handle: 'a', isArtifact: false, open },
      { job: 'j', step: 's', path: '/a' },
      { purpose: 'cache:a:p' },
    );
    sinon.assert.calledWithMatch(keepTaskCache, { handle: 'b' }, { path: '/b' }, { purpose: 'cache:b:p' });
  });

  it('saves nothing of a container without a job', async () => {
    for (const without of [{}, { taskCache: 'j' }, { taskCache: { job: 'j' } }]) {
      expect(saverOf({ settings: without }, undefined, saver)).to.equal(undefined);
    }
    sinon.assert.notCalled(keepTaskCache);
  });

  it('reports a cache that cannot be saved, and saves the others [A40]', async () => {
    keepTaskCache.onFirstCall().rejects(new Error('no space'));
    await saver.save(command, step, {});
    sinon.assert.calledTwice(keepTaskCache);
    sinon.assert.calledOnceWithExactly(emit, {
      kind: 'cache-not-saved',
      handle: 'a',
      cacheKind: 'task',
      reason: 'failed',
      message: 'no space',
    });
  });

  it('rejects with the reason of an abort', async () => {
    const abort = new AbortController();
    keepTaskCache.callsFake(async () => {
      abort.abort(new Error('closing'));
      throw new Error('cut');
    });
    expect(await rejection(saver.save(command, step, { signal: abort.signal }))).to.include({ message: 'closing' });
    sinon.assert.notCalled(emit);
  });
});
