import { expect } from 'chai';

import { PodDeletedError, type PodError, PodEvictedError } from '../../../src/errors/pod.ts';
import { ChangeSignal } from '../../../src/internal/change-signal.ts';
import type { Pod } from '../../../src/kubernetes/cluster.ts';
import { podProblem } from '../../../src/kubernetes/pod-status.ts';
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

  it('of an evicted pod comes when its main container has terminated, and no command may still run', async () => {
    find();
    await becomes(podOf('running', evicted));
    await clock.advance(10_000);
    expect(found).to.equal(undefined);
    await becomes(podOf('terminated', evicted));
    expect(found?.error)
      .to.be.instanceOf(PodEvictedError)
      .and.to.include({ reason: 'TerminationByKubelet', mayStillRun: false });
  });

  it('of an evicted pod that is gone is the eviction', async () => {
    find();
    await becomes(podOf('running', evicted));
    await becomes(undefined);
    expect(found?.error)
      .to.be.instanceOf(PodEvictedError)
      .and.to.include({ reason: 'TerminationByKubelet', mayStillRun: false });
  });

  it('of a deleted pod comes when it is gone', async () => {
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
    it(`of a ${what} pod on a node that does not answer comes some seconds after the grace period, and says that a command may still run`, async () => {
      find();
      await becomes(podOf('running', state));
      await clock.advance(24_999);
      expect(found).to.equal(undefined);
      await clock.advance(1);
      expect(found?.error).to.be.instanceOf(type).and.to.include({ mayStillRun: true });
      expect(found?.error?.message).to.include('may still be running');
    });
  }

  it('of a pod that vanishes without a grace period leaves open whether its commands run', async () => {
    find();
    await settle();
    await becomes(undefined);
    expect(found?.error).to.be.instanceOf(PodDeletedError).and.to.include({ mayStillRun: true });
  });

  context('that is expected', () => {
    it('is none where the main container was restarted', async () => {
      find(new Date(1000));
      await becomes(podOf('restarted'));
      expect(found).to.deep.equal({ error: undefined });
    });

    it('is none where nothing shows it for half a minute', async () => {
      find(new Date(1000));
      await clock.advance(29_999);
      expect(found).to.equal(undefined);
      await clock.advance(1);
      expect(found).to.deep.equal({ error: undefined });
    });

    it('is waited for where it has begun, as long as the grace period is', async () => {
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
