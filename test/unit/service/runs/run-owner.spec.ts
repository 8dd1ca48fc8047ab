import { expect } from 'chai';

import { FakeReservation, FakeWorker } from '../../../../fakes/index.ts';
import { RunOwner } from '../../../../src/service/runs/run-owner.ts';
import { settle, VirtualClock } from '../../../support/virtual-clock.ts';

describe('The owner of a run', () => {
  const { signal } = new AbortController();
  let worker: FakeWorker;
  let place: FakeReservation;
  let clock: VirtualClock;

  beforeEach(() => {
    clock = new VirtualClock();
    place = new FakeReservation({ kind: 'k', id: 'i', expiresAt: new Date(0) });
    place.renew.resolves(true);
    place.release.resolves();
    worker = new FakeWorker();
    worker.reserve.resolves(place);
  });

  const wait = async (ms: number): Promise<void> => {
    await clock.advance(ms);
    await settle();
  };

  it('has a reservation of a kind of its own, for 10 minutes', async () => {
    await using run = await RunOwner.create(worker, clock, signal);
    expect(run.owner.kind).to.equal('cli-run');
    const [request] = worker.reserve.firstCall.args;
    expect(request).to.include({ kind: `cli-run/${run.owner.key}`, limit: 1, ttlMs: 600_000 });
  });

  it('renews it every 2 minutes, and 10 s after a failure', async () => {
    await using _run = await RunOwner.create(worker, clock, signal);
    await wait(120_000);
    expect(place.renew.callCount).to.equal(1);
    place.renew.onSecondCall().rejects(new Error('the database does not answer'));
    await wait(120_000);
    await wait(10_000);
    expect(place.renew.callCount).to.equal(3);
  });

  it('reserves again if the reservation has lapsed', async () => {
    place.renew.resolves(false);
    await using _run = await RunOwner.create(worker, clock, signal);
    await wait(120_000);
    expect(worker.reserve.callCount).to.equal(2);
    expect(worker.reserve.secondCall.args[0]).to.deep.equal(worker.reserve.firstCall.args[0]);
  });

  it('releases it at the end, and renews no more', async () => {
    const run = await RunOwner.create(worker, clock, signal);
    await run[Symbol.asyncDispose]();
    await wait(600_000);
    expect([place.release.callCount, place.renew.callCount, clock.sleeping]).to.deep.equal([1, 0, 0]);
  });
});
