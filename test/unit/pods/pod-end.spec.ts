import { expect } from 'chai';

import { PodDeletedError, type PodError, PodEvictedError } from '../../../src/errors/pod.ts';
import { ChangeSignal } from '../../../src/internal/change-signal.ts';
import type { Pod } from '../../../src/kubernetes/cluster.ts';
import { podProblem } from '../../../src/kubernetes/pod-state/pod-status.ts';
import { PodEnd } from '../../../src/pods/pod-end.ts';
import type { AbortOptions } from '../../../src/runtime/options.ts';
import { deleted, evicted, podOf } from '../../support/scripted-pod.ts';
import { settle, VirtualClock } from '../../support/virtual-clock.ts';

describe('PodEnd', () => {
  let clock: VirtualClock;
  let found: { readonly error: PodError | undefined } | undefined;
  let becomes: (pod: Pod | undefined) => Promise<void>;

  function find(expectedSince?: Date): void {
    clock = new VirtualClock();
    found = undefined;
    const change = new ChangeSignal();
    let state: Pod | undefined = podOf('running');
    async function* observe(_name: string, { signal }: AbortOptions): AsyncGenerator<Pod | undefined> {
      const aborted = new Promise<void>((resolve) =>
        signal?.addEventListener('abort', () => resolve(), { once: true }),
      );
      for (;;) {
        signal?.throwIfAborted();
        const shown = state;
        yield shown;
        while (state === shown && signal?.aborted !== true) await Promise.race([change.wait(), aborted]);
      }
    }
    becomes = async (pod) => {
      state = pod;
      change.notify();
      await settle();
    };
    const end = new PodEnd('pod', {
      observe,
      problemOf: podProblem,
      goneError: (podName, mayStillRun) => new PodDeletedError({ namespace: 'ci', podName, mayStillRun }),
      clock,
    });
    void end.find({ expectedSince }).then((error) => {
      found = { error };
    });
  }

  afterEach(() => {
    expect(clock.sleeping, 'timers left').to.equal(0);
  });

  it('reports an eviction when the main container has terminated, so that no command may still run [A25]', async () => {
    find();
    await becomes(podOf('running', evicted));
    await clock.advance(10_000);
    expect(found).to.equal(undefined);
    await becomes(podOf('terminated', evicted));
    expect(found?.error)
      .to.be.instanceOf(PodEvictedError)
      .and.to.include({ reason: 'TerminationByKubelet', mayStillRun: false });
  });

  it('reports the eviction of an evicted pod that no longer exists', async () => {
    find();
    await becomes(podOf('running', evicted));
    await becomes(undefined);
    expect(found?.error)
      .to.be.instanceOf(PodEvictedError)
      .and.to.include({ reason: 'TerminationByKubelet', mayStillRun: false });
  });

  it('reports a deletion when the pod no longer exists [A30]', async () => {
    find();
    await becomes(podOf('running', deleted));
    await clock.advance(10_000);
    expect(found).to.equal(undefined);
    await becomes(undefined);
    expect(found?.error).to.be.instanceOf(PodDeletedError).and.to.include({ mayStillRun: false });
  });

  for (const [what, state, type] of [
    ['deleted', deleted, PodDeletedError],
    ['evicted', evicted, PodEvictedError],
  ] as const) {
    it(`reports a ${what} pod on a node that does not respond some seconds after the grace period, and that a command may still run`, async () => {
      find();
      await becomes(podOf('running', state));
      await clock.advance(24_999);
      expect(found).to.equal(undefined);
      await clock.advance(1);
      expect(found?.error).to.be.instanceOf(type).and.to.include({ mayStillRun: true });
      expect(found?.error?.message).to.include('may still be running');
    });
  }

  it('reports that commands may still run in a pod that was removed without a grace period', async () => {
    find();
    await settle();
    await becomes(undefined);
    expect(found?.error).to.be.instanceOf(PodDeletedError).and.to.include({ mayStillRun: true });
    find();
    await becomes(podOf('running', { metadata: { ...deleted.metadata, deletionGracePeriodSeconds: 0 } }));
    await becomes(undefined);
    expect(found?.error).to.be.instanceOf(PodDeletedError).and.to.include({ mayStillRun: true });
  });

  context('when the API has not yet reported that the main container runs', () => {
    const waiting = { name: 'main', image: 'i', imageID: '', ready: false, restartCount: 0, state: {} };
    const starting = (state: { readonly metadata?: object; readonly status?: object } = {}): Pod =>
      podOf('running', { ...state, status: { phase: 'Pending', containerStatuses: [waiting], ...state.status } });

    it('reports a deletion at the end of the pod, because a command may run during its grace period [A30]', async () => {
      find();
      await becomes(starting(deleted));
      await clock.advance(10_000);
      expect(found).to.equal(undefined);
      await becomes(podOf('terminated', deleted));
      expect(found?.error).to.be.instanceOf(PodDeletedError).and.to.include({ mayStillRun: false });
    });

    it('reports that commands may still run after the grace period, and after a deletion without one', async () => {
      find();
      await becomes(starting(deleted));
      await clock.advance(25_000);
      expect(found?.error).to.be.instanceOf(PodDeletedError).and.to.include({ mayStillRun: true });
      find();
      await becomes(starting());
      await becomes(undefined);
      expect(found?.error).to.be.instanceOf(PodDeletedError).and.to.include({ mayStillRun: true });
    });

    it('reports the end of a pod that its node has not accepted at once', async () => {
      find();
      await becomes(starting({ status: { phase: 'Failed', reason: 'OutOfcpu' } }));
      expect(found?.error).to.be.instanceOf(PodEvictedError).and.to.include({ mayStillRun: false });
    });
  });

  context('when the pod is expected to end', () => {
    it('reports no end if the main container was restarted', async () => {
      find(new Date(1000));
      await becomes(podOf('restarted'));
      expect(found).to.deep.equal({ error: undefined });
    });

    it('reports no end if nothing indicates it for half a minute', async () => {
      find(new Date(1000));
      await clock.advance(29_999);
      expect(found).to.equal(undefined);
      await clock.advance(1);
      expect(found).to.deep.equal({ error: undefined });
    });

    it('waits for an end that has begun, for the whole grace period', async () => {
      find(new Date(1000));
      await becomes(
        podOf('running', { metadata: { deletionTimestamp: new Date(2000), deletionGracePeriodSeconds: 600 } }),
      );
      await clock.advance(60_000);
      expect(found).to.equal(undefined);
      await becomes(undefined);
      expect(found?.error).to.be.instanceOf(PodDeletedError);
    });
  });
});
