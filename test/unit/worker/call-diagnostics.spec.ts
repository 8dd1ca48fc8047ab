import { expect } from 'chai';

import type { PodError } from '../../../src/errors/pod.ts';
import type { ContainerDisappearedError } from '../../../src/errors/repository.ts';
import type { PodContainer } from '../../../src/worker/pod-container.ts';
import { Collector } from '../../contract/worker/setup.ts';
import { rejection } from '../../support/rejection.ts';
import { deleted, evicted, podOf, ScriptedPod } from '../../support/scripted-pod.ts';
import { settle } from '../../support/virtual-clock.ts';

const gone = ['pod ci/pod no longer exists; its last known state:', '  node: not assigned', '  phase: Running'];
const evictedPod = podOf('terminated', { status: { ...evicted.status, phase: 'Failed', reason: 'Evicted' } });

describe('the diagnostics of a pod with which a call of its container rejects', () => {
  let pod: ScriptedPod;
  let container: PodContainer;
  let stderr: Collector;

  beforeEach(() => {
    pod = new ScriptedPod();
    container = pod.container();
    stderr = new Collector();
  });

  afterEach(async () => {
    await pod.close();
  });

  const starts = {
    run: () => container.run({ path: 'make' }, { stderr }),
    attach: () => container.attach('x', { stderr }),
  } as const;
  for (const [call, start] of Object.entries(starts)) {
    it(`are on the stderr of ${call}() and in the cause if the pod no longer exists`, async () => {
      pod.cutOff();
      pod.becomes(undefined);
      const error = (await rejection(start())) as ContainerDisappearedError;
      expect(error).to.include({ code: 'KW_ERR_CONTAINER_DISAPPEARED', handle: 'box', workerName: 'worker' });
      expect((error.cause as PodError).diagnostics?.split('\n')).to.deep.equal(gone);
      expect(stderr.text.split('\n')).to.deep.equal(['', ...gone, '']);
    });

    it(`are on the stderr of ${call}() and in the error if the pod was evicted`, async () => {
      pod.cutOff();
      pod.becomes(evictedPod);
      const error = (await rejection(start())) as PodError;
      expect(error).to.include({ code: 'KW_ERR_POD_EVICTED', reason: 'TerminationByKubelet' });
      expect(error.diagnostics).to.include('  reason: Evicted\n');
      expect(stderr.text).to.equal(`\n${error.diagnostics}\n`);
    });
  }

  it('are written once if the watch shows the end before attach() is connected', async () => {
    pod.setup.onConnect = () => new Promise(() => undefined);
    const attaching = rejection(starts.attach());
    await settle();
    pod.becomes(undefined);
    expect((await attaching).code).to.equal('KW_ERR_CONTAINER_DISAPPEARED');
    expect(stderr.text.split('no longer exists')).to.have.length(2);
  });

  it('are not written by run() without a stderr, and nor if the caller aborts', async () => {
    pod.cutOff();
    pod.becomes(evictedPod);
    const error = (await rejection(container.run({ path: 'make' }, {}))) as PodError;
    expect(error.diagnostics).to.include('  reason: Evicted\n');
    const abort = new AbortController();
    const reason = new Error('enough');
    const running = rejection(container.run({ path: 'make' }, { stderr }, { signal: abort.signal }));
    abort.abort(reason);
    expect(await running).to.equal(reason);
    expect(stderr.text).to.equal('');
  });

  const calls = {
    stopProcess: () => container.stopProcess('x'),
    signalProcess: () => container.signalProcess('x', 15),
  } as const;
  for (const [call, start] of Object.entries(calls))
    it(`are in the error of ${call}()`, async () => {
      pod.cutOff();
      pod.becomes(evictedPod);
      expect(((await rejection(start())) as PodError).diagnostics).to.include('  reason: Evicted\n');
    });

  it('are in the errors of findProcess() and listProcesses(), which reject while commands may still run', async () => {
    pod.cutOff();
    pod.becomes(podOf('running', deleted));
    for (const call of [() => container.findProcess('x'), () => container.listProcesses()]) {
      const error = (await rejection(call())) as PodError;
      expect(error).to.include({ code: 'KW_ERR_POD_DELETED', mayStillRun: true });
      expect(error.diagnostics).to.include('pod ci/pod:\n');
    }
  });

  it('are in the errors of Process.signal() and Process.resize()', async () => {
    const process = pod.follow();
    process.wait().catch(() => undefined);
    pod.cutOff();
    pod.becomes(evictedPod);
    for (const call of [() => process.signal(15), () => process.resize({ columns: 80, rows: 24 })])
      expect(((await rejection(call())) as PodError).diagnostics).to.include('  reason: Evicted\n');
  });
});
