import { expect } from 'chai';
import sinon from 'sinon';

import { FakeVolumeStreamRepository } from '../../../../fakes/index.ts';
import { RepositoryUnavailableError } from '../../../../src/errors/repository.ts';
import { OpenStreams } from '../../../../src/worker/retention/open-streams.ts';
import { silentLogger } from '../../../support/silent-logger.ts';
import { settle, VirtualClock } from '../../../support/virtual-clock.ts';

describe('OpenStreams', () => {
  const away = new RepositoryUnavailableError('away');
  let rows: FakeVolumeStreamRepository;
  let clock: VirtualClock;
  let reapSoon: sinon.SinonSpy;
  let streams: OpenStreams;

  beforeEach(() => {
    rows = new FakeVolumeStreamRepository();
    rows.hold.resolves(2);
    rows.release.resolves(false);
    clock = new VirtualClock();
    reapSoon = sinon.spy();
    let ids = 0;
    const newId = () => `s-${(ids += 1)}`;
    streams = new OpenStreams({ streams: rows, newId, clock, logger: silentLogger, reapSoon });
  });

  /** Whether the promise is fulfilled without a wait for time. */
  const isDone = async (promise: Promise<unknown>): Promise<boolean> => {
    let done = false;
    void promise.then(() => (done = true));
    await settle();
    return done;
  };

  it('sends one statement at the start of a short stream of several volumes, and one at its end', async () => {
    const stream = streams.open(['a', 'b']);
    await stream.held;
    await clock.advance(30_000);
    await Promise.all([stream.close(), stream.close()]);
    sinon.assert.calledOnceWithExactly(rows.hold, 's-1', ['a', 'b'], 120_000);
    sinon.assert.calledOnceWithExactly(rows.release, 's-1');
    expect(clock.sleeping).to.equal(0);
  });

  it('sends none without a volume', async () => {
    const stream = streams.open([]);
    await stream.held;
    await stream.close();
    sinon.assert.notCalled(rows.hold);
    sinon.assert.notCalled(rows.release);
  });

  it('is renewed well before the row lapses, for as long as it is open', async () => {
    const stream = streams.open(['a']);
    await clock.advance(121_000);
    expect(rows.hold.callCount).to.equal(4);
    await stream.close();
    await clock.advance(121_000);
    expect(rows.hold.callCount).to.equal(4);
  });

  it('is recorded soon after an outage of the database, which no transfer waits for', async () => {
    rows.hold.onFirstCall().rejects(away);
    const stream = streams.open(['a']);
    await stream.held;
    await clock.advance(5_000);
    sinon.assert.calledTwice(rows.hold);
    await stream.close();
    sinon.assert.calledOnce(rows.release);
  });

  it('does not wait for a database without an answer, neither at its begin nor at its end', async () => {
    const answer = Promise.withResolvers<number>();
    rows.hold.returns(answer.promise);
    const stream = streams.open(['a']);
    expect(await isDone(stream.held)).to.equal(false);
    await clock.advance(2_000);
    expect(await isDone(stream.held)).to.equal(true);
    const closed = stream.close();
    await clock.advance(2_000);
    expect(await isDone(closed)).to.equal(true);
    // A release before the late insert would leave the row.
    sinon.assert.notCalled(rows.release);
    answer.resolve(1);
    await settle();
    sinon.assert.calledOnce(rows.release);
  });

  it('is not renewed when none of its volumes can be held', async () => {
    rows.hold.resolves(0);
    const stream = streams.open(['a']);
    await clock.advance(600_000);
    sinon.assert.calledOnce(rows.hold);
    await stream.close();
  });

  it('hurries the reaper if a volume was to be deleted in that time, and only then', async () => {
    await streams.open(['a']).close();
    sinon.assert.notCalled(reapSoon);
    rows.release.resolves(true);
    await streams.open(['a']).close();
    sinon.assert.calledOnce(reapSoon);
  });

  it('ends although its end cannot be recorded', async () => {
    rows.release.rejects(away);
    await streams.open(['a']).close();
    await streams.settled();
  });

  it('is settled when no end is still to be recorded', async () => {
    const answer = Promise.withResolvers<boolean>();
    rows.release.returns(answer.promise);
    void streams.open(['a']).close();
    await settle();
    const settled = streams.settled();
    expect(await isDone(settled)).to.equal(false);
    answer.resolve(false);
    expect(await isDone(settled)).to.equal(true);
  });

  it('ends every stream at the close of the worker', async () => {
    streams.open(['a']);
    streams.open(['b']);
    await streams.open(['c']).close();
    await streams.close();
    expect(rows.release.args.map(([id]) => id)).to.have.members(['s-1', 's-2', 's-3']);
    expect(clock.sleeping).to.equal(0);
  });
});
