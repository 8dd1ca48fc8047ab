import { expect } from 'chai';

import { FakeWorker } from '../../../../fakes/index.ts';
import type { ContainerInfo, ContainerState, Leadership, LeadershipRole } from '../../../../src/index.ts';
import { findDeadRuns, finishDeadRuns } from '../../../../src/service/runs/dead-runs.ts';
import { runDeadRunLoop } from '../../../../src/service/serve/dead-run-loop.ts';
import { silentLogger } from '../../../support/silent-logger.ts';
import { settle, VirtualClock } from '../../../support/virtual-clock.ts';

describe('Dead runs', () => {
  const { signal } = new AbortController();
  let worker: FakeWorker;

  const container = (key: string, state: ContainerState = 'created'): ContainerInfo => ({
    handle: `c-${key}`,
    owner: { kind: 'cli-run', key },
    state,
    podName: `p-${key}`,
    podUid: undefined,
    metadata: {},
    createdAt: new Date(0),
  });

  beforeEach(() => {
    worker = new FakeWorker();
    worker.listContainers.resolves({ containers: [container('dead'), container('lives')] });
    worker.reservations.resolves([{ kind: 'cli-run/lives', count: 1 }]);
    worker.ownerFinished.resolves();
  });

  it('are containers of runs without a living reservation', async () => {
    expect((await findDeadRuns(worker, signal)).map(({ handle }) => handle)).to.deep.equal(['c-dead']);
    expect(worker.listContainers.firstCall.args[0]).to.include({ ownerKind: 'cli-run' });
  });

  it('are found by reservations that are read after the containers', async () => {
    await findDeadRuns(worker, signal);
    expect(worker.reservations.calledAfter(worker.listContainers)).to.equal(true);
  });

  it('are not those that the reaper deletes anyway', async () => {
    const states: readonly ContainerState[] = ['failed', 'destroying', 'kept'];
    worker.listContainers.resolves({ containers: states.map((state) => container('dead', state)) });
    expect(await findDeadRuns(worker, signal)).to.deep.equal([]);
  });

  it('finish for good, each with its container only', async () => {
    await finishDeadRuns(worker, signal);
    const [[owner, options] = []] = worker.ownerFinished.args;
    expect(worker.ownerFinished.callCount).to.equal(1);
    expect([owner, options?.handle, options?.final]).to.deep.equal([{ kind: 'cli-run', key: 'dead' }, 'c-dead', true]);
  });

  context('in the service', () => {
    const rounds = async (count: number): Promise<void> => {
      const ending = new AbortController();
      const clock = new VirtualClock();
      const running = runDeadRunLoop({ worker, clock, logger: silentLogger }, ending.signal);
      await settle();
      for (let round = 1; round < count; round += 1) {
        await clock.advance(60_000);
        await settle();
      }
      ending.abort();
      await running;
    };
    const role = (name: LeadershipRole): Leadership => ({ role: name, confirmedAt: undefined });

    it('finish by the leader only', async () => {
      worker.leadership.returns(role('follower'));
      await rounds(1);
      expect(worker.ownerFinished.callCount).to.equal(0);
      worker.leadership.returns(role('leader'));
      await rounds(1);
      expect(worker.ownerFinished.callCount).to.equal(1);
    });

    it('are looked for again after a failure', async () => {
      worker.leadership.returns(role('leader'));
      worker.listContainers.onFirstCall().rejects(new Error('the database does not answer'));
      await rounds(2);
      expect(worker.ownerFinished.callCount).to.equal(1);
    });
  });
});
