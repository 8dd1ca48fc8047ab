import { expect } from 'chai';
import sinon from 'sinon';

import { FakeContainerQueries, FakeContainerRepository } from '../../../fakes/index.ts';
import { ForbiddenError } from '../../../src/errors/cluster.ts';
import type { PodRemover } from '../../../src/pods/pod-remover.ts';
import type { ContainerRecord } from '../../../src/repository/records.ts';
import type { OwnerFinishedOptions } from '../../../src/runtime/worker.ts';
import { finishOwner } from '../../../src/worker/finish-owner.ts';
import { rejection } from '../../support/rejection.ts';

const owner = { kind: 'build-step', key: '1' };

describe('finishOwner', () => {
  let containers: FakeContainerRepository;
  let queries: FakeContainerQueries;
  let remover: { delete: sinon.SinonStub<Parameters<PodRemover['delete']>, Promise<string | undefined>> };

  beforeEach(() => {
    containers = new FakeContainerRepository();
    containers.markOwnerFinished.resolves(1);
    queries = new FakeContainerQueries();
    queries.findFinished.resolves([{ handle: 'h', podName: 'p', podUid: 'u' } as ContainerRecord]);
    remover = { delete: sinon.stub() };
    remover.delete.resolves('u');
  });

  const finish = (options: OwnerFinishedOptions = {}) =>
    finishOwner('w', owner, options, { repository: { containers, queries }, remover, maxKeptMs: 10_000 });

  it('marks the container, and leaves its pod to the reaper', async () => {
    await finish({ handle: 'h', final: true });
    sinon.assert.calledOnceWithMatch(containers.markOwnerFinished, 'w', owner, { handle: 'h', final: true });
    sinon.assert.notCalled(queries.findFinished);
    sinon.assert.notCalled(remover.delete);
  });

  it('deletes the pod by its uid after the mark, with the grace period', async () => {
    const { signal } = new AbortController();
    await finish({ handle: 'h', signal, deletePod: { gracePeriodSeconds: 3 } });
    sinon.assert.callOrder(containers.markOwnerFinished, queries.findFinished, remover.delete);
    sinon.assert.calledOnceWithExactly(queries.findFinished, 'w', owner, { handle: 'h', signal });
    sinon.assert.calledOnceWithExactly(remover.delete, 'p', 'h', { uid: 'u', gracePeriodSeconds: 3, signal });
  });

  it('rejects with the error of the cluster, and deletes the pod at the next call', async () => {
    const error = new ForbiddenError({ verb: 'delete', resource: 'pods', namespace: 'ci' }, 'no');
    remover.delete.onFirstCall().rejects(error);
    expect(await rejection(finish({ deletePod: {} }))).to.equal(error);
    sinon.assert.calledOnce(containers.markOwnerFinished);
    containers.markOwnerFinished.resolves(0);
    await finish({ deletePod: {} });
    sinon.assert.calledTwice(remover.delete);
  });

  it('keeps the container for the time, at most as long as the worker keeps any', async () => {
    await finish({ handle: 'h', keepForMs: 5_000 });
    sinon.assert.calledWithMatch(containers.markOwnerFinished, 'w', owner, { handle: 'h', keepForMs: 5_000 });
    await finish({ keepForMs: 50_000 });
    sinon.assert.calledWithMatch(containers.markOwnerFinished, 'w', owner, { keepForMs: 10_000 });
    await finish();
    expect(containers.markOwnerFinished.lastCall.args[2]).to.not.have.property('keepForMs');
    sinon.assert.notCalled(remover.delete);
  });

  it('refuses a time that is not a positive number, and to delete the pod of a kept container', async () => {
    for (const keepForMs of [0, -1, 0.5, NaN])
      expect(await rejection(finish({ keepForMs }))).to.include({ code: 'KW_ERR_INVALID_SPEC', field: 'keepForMs' });
    expect(await rejection(finish({ keepForMs: 1, deletePod: {} }))).to.include({ field: 'deletePod' });
    sinon.assert.notCalled(containers.markOwnerFinished);
  });

  it('refuses a grace period that is not a whole number of seconds, and marks nothing', async () => {
    for (const gracePeriodSeconds of [-1, 0.5, NaN])
      expect(await rejection(finish({ deletePod: { gracePeriodSeconds } }))).to.include({
        code: 'KW_ERR_INVALID_SPEC',
        field: 'deletePod.gracePeriodSeconds',
      });
    sinon.assert.notCalled(containers.markOwnerFinished);
  });
});
