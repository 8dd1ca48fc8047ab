import { getEventListeners } from 'node:events';

import { expect } from 'chai';

import { OutOfMemoryError } from '../../../src/errors/pod.ts';
import type { Pod } from '../../../src/kubernetes/cluster.ts';
import type { PodSupervisor } from '../../../src/pods/pod-supervisor.ts';
import { TerminationWatch } from '../../../src/pods/termination-watch.ts';
import { silentLogger } from '../../support/silent-logger.ts';
import { settle, VirtualClock } from '../../support/virtual-clock.ts';

const since = new Date('2030-01-01T00:00:10.700Z');

interface End {
  readonly container: string;
  readonly at: string;
  readonly reason?: string;
  readonly exitCode?: number;
}

/** A pod whose containers run again after these terminations. */
function podOf(...ends: readonly End[]): Pod {
  return {
    status: {
      containerStatuses: ends.map(({ container, at, reason = 'Error', exitCode = 1 }) => ({
        name: container,
        image: 'i',
        imageID: 'i',
        ready: true,
        restartCount: 1,
        state: { running: {} },
        lastState: {
          terminated: { exitCode, reason, finishedAt: new Date(at), containerID: `c://${container}/${at}` },
        },
      })),
    },
  };
}

async function watch(states: readonly (Pod | undefined)[]) {
  const clock = new VirtualClock();
  const stop = new AbortController();
  const pods = {
    async *observe() {
      for (const state of states) yield state;
      await new Promise((_resolve, reject) =>
        stop.signal.addEventListener('abort', () => reject(stop.signal.reason as Error), { once: true }),
      );
    },
    outOfMemory: (podName: string, facts: { containerName: string; limitBytes: number | undefined }) =>
      new OutOfMemoryError({ namespace: 'ci', podName }, facts),
  };
  const memoryLimits = new Map([
    ['main', 100],
    ['side', 50],
  ]);
  const watching = new TerminationWatch({
    pods: pods as unknown as PodSupervisor,
    podName: 'p',
    since,
    memoryLimits,
    clock,
    logger: silentLogger,
  });
  let error: unknown;
  watching.whenOutOfMemory({ signal: stop.signal }).catch((cause: unknown) => {
    error ??= cause;
  });
  await settle();
  return { watching, clock, stop, error: () => error };
}

describe('TerminationWatch', () => {
  it('rejects at once when a sidecar was killed for memory, with its limit', async () => {
    const { error, stop } = await watch([
      undefined,
      podOf({ container: 'side', at: '2030-01-01T00:00:12Z', reason: 'OOMKilled', exitCode: 137 }),
    ]);
    expect(error()).to.include({ code: 'KW_ERR_OUT_OF_MEMORY', containerName: 'side', limitBytes: 50 });
    stop.abort(new Error('over'));
  });

  it('gives the agent of the main container some seconds to report first', async () => {
    const { error, clock, stop } = await watch([
      podOf({ container: 'main', at: '2030-01-01T00:00:12Z', reason: 'OOMKilled', exitCode: 137 }),
    ]);
    await clock.advance(4_999);
    expect(error()).to.equal(undefined);
    await clock.advance(1);
    expect(error()).to.include({ code: 'KW_ERR_OUT_OF_MEMORY', containerName: 'main', limitBytes: 100 });
    stop.abort(new Error('over'));
  });

  it('counts terminations in the second of the start, but none before it', async () => {
    const before = podOf({ container: 'side', at: '2030-01-01T00:00:09Z', reason: 'OOMKilled' });
    const same = podOf({ container: 'side', at: '2030-01-01T00:00:10Z', reason: 'OOMKilled' });
    expect((await watch([before])).error()).to.equal(undefined);
    expect((await watch([before, same])).error()).to.be.instanceOf(OutOfMemoryError);
  });

  it('records each end of a sidecar once, and none of the main container', async () => {
    const first = podOf(
      { container: 'side', at: '2030-01-01T00:00:12Z', exitCode: 7 },
      { container: 'main', at: '2030-01-01T00:00:12Z' },
    );
    const second = podOf({ container: 'side', at: '2030-01-01T00:00:20Z', exitCode: 0, reason: 'Completed' });
    const { watching, error } = await watch([first, first, second, second]);
    expect(watching.sidecarEnds).to.deep.equal([{ name: 'side', times: 2, exitCode: 0, reason: 'Completed' }]);
    expect(error()).to.equal(undefined);
  });

  it('releases its timers and listeners when it is aborted', async () => {
    const { clock, stop } = await watch([
      podOf({ container: 'main', at: '2030-01-01T00:00:12Z', reason: 'OOMKilled' }),
    ]);
    expect(clock.sleeping).to.equal(1);
    stop.abort(new Error('over'));
    await settle();
    expect([clock.sleeping, getEventListeners(stop.signal, 'abort').length]).to.deep.equal([0, 0]);
  });
});
