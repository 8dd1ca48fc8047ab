/**
 * Unit-tests a host's own code with the generated fakes: no cluster, no database, no waiting. Run
 * it in this repository with `npm run example -- examples/unit-test-with-fakes.ts`. A host writes
 * it as a spec of its own test runner.
 */
import assert from 'node:assert/strict';
import { type ContainerSpec, isKubernetesWorkerError, PodEvictedError, type Worker } from 'kubernetes-worker';
import { FakeContainer, FakeProcess, FakeWorker } from 'kubernetes-worker/fakes';
import sinon from 'sinon';

// #region code under test
/** A host's own code: runs a step, and runs it again if its pod is evicted. */
async function runStep(worker: Worker, key: string, spec: ContainerSpec): Promise<'passed' | 'failed'> {
  const owner = { kind: 'build-step', key };
  try {
    const { container } = await worker.findOrCreateContainer(owner, spec);
    await using process = await container.run({ id: 'task', path: '/bin/true' }, {});
    const { exitStatus } = await process.wait();
    return exitStatus === 0 ? 'passed' : 'failed';
  } catch (error) {
    if (isKubernetesWorkerError(error) && error.code === 'KW_ERR_POD_EVICTED') {
      await worker.ownerFinished(owner);
      return runStep(worker, `${key}/again`, spec);
    }
    throw error;
  }
}
// #endregion

const spec = { image: 'busybox' };

// #region tests
{
  // A step passes when its command ends with 0.
  const [worker, container, process] = [
    new FakeWorker({ name: 'w' }),
    new FakeContainer({ handle: 'c-1' }),
    new FakeProcess({ id: 'task' }),
  ];
  worker.findOrCreateContainer.resolves({ container, mounts: [], created: true });
  container.run.resolves(process);
  process.wait.resolves({ exitStatus: 0 });

  assert.equal(await runStep(worker, 'build/1', spec), 'passed');
  assert.deepEqual(container.run.getCall(0).args[0], { id: 'task', path: '/bin/true' });
  sinon.assert.callOrder(worker.findOrCreateContainer, container.run, process.wait, process[Symbol.asyncDispose]);
  console.log('ok: a step passes when its command ends with 0');
}
{
  // A step whose pod was evicted is run once more under a new owner.
  const [worker, container, process] = [
    new FakeWorker({ name: 'w' }),
    new FakeContainer({ handle: 'c-1' }),
    new FakeProcess({ id: 'task' }),
  ];
  worker.findOrCreateContainer.resolves({ container, mounts: [], created: true });
  container.run.resolves(process);
  process.wait.resolves({ exitStatus: 1 });
  process.wait.onFirstCall().rejects(new PodEvictedError({ namespace: 'ci', podName: 'task-1' }));

  assert.equal(await runStep(worker, 'build/1', spec), 'failed');
  assert.equal(worker.findOrCreateContainer.callCount, 2);
  assert.deepEqual(worker.ownerFinished.getCall(0).args[0], { kind: 'build-step', key: 'build/1' });
  console.log('ok: a step whose pod was evicted is run once more under a new owner');
}
// #endregion
