import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

import { expect } from 'chai';

import { makeContainer } from '../../contract/worker/setup.ts';
import { withEmbeddedWorker } from '../../support/embedded-worker.ts';

const image = 'busybox:1';
const elected = { leaderElection: true, reapEveryMs: 86_400_000, heartbeatEveryMs: 86_400_000 };

describe('a worker with leader election', () => {
  const world = withEmbeddedWorker(image);

  it('reaps for a host without loops, in the leader only, and passes on when the leader stops', async () => {
    await using first = await world.setup.openWith(elected);
    while (first.leadership().role !== 'leader') await sleep(10);
    while ((await first.info()).heartbeatAt === undefined) await sleep(10);
    await using second = await world.setup.openWith(elected);
    while (second.leadership().role === 'unknown') await sleep(10);
    expect(second.leadership().role).to.equal('follower');
    expect(world.worker.leadership()).to.deep.equal({ role: 'none', confirmedAt: undefined });
    expect(await world.worker.reservations()).to.deep.equal([]);
    expect((await second.info()).leader).to.match(new RegExp(`^${hostname()}/[0-9a-f-]{36}$`));
    expect(first.controllers().map(({ name, everyMs }) => [name, everyMs])).to.deep.equal([
      ['reaper', 86_400_000],
      ['heartbeats', 86_400_000],
    ]);
    expect(first.controllers()[1]?.succeededAt).to.be.instanceOf(Date);
    expect(second.controllers().map(({ beganAt }) => beganAt)).to.deep.equal([undefined, undefined]);
    expect(world.worker.controllers()).to.deep.equal([]);
    expect(first.load()).to.deep.include({ uploads: { used: 0, waiting: 0, limit: 32 } });
    const { owner } = await makeContainer(world.worker, image);
    await world.worker.ownerFinished(owner);
    await first.stopControllers();
    expect(first.leadership().role).to.equal('none');
    // The new leader runs a pass at once.
    while ((await first.listContainers()).containers.length > 0) await sleep(50);
    expect(second.leadership().role).to.equal('leader');
    while (second.controllers()[0]?.succeededAt === undefined) await sleep(10);
    expect((await first.probe()).map(({ name, ok }) => [name, ok])).to.deep.equal([
      ['database', true],
      ['api-server', true],
    ]);
  });
});
