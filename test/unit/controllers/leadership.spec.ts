import { expect } from 'chai';
import sinon from 'sinon';

import { FakeLogger, FakeReservationRepository } from '../../../fakes/index.ts';
import { LeaderElection } from '../../../src/controllers/leadership.ts';
import { InvalidSpecError } from '../../../src/errors/caller.ts';
import { RepositoryUnavailableError } from '../../../src/errors/repository.ts';
import { settle, VirtualClock } from '../../support/virtual-clock.ts';

const down = new RepositoryUnavailableError('down');
const acquired = new Date(0);

describe('LeaderElection', () => {
  let clock: VirtualClock;
  let logger: FakeLogger;
  let reservations: FakeReservationRepository;
  let terms: { readonly start: sinon.SinonStub; readonly close: sinon.SinonStub }[];
  let election: LeaderElection;
  let leads: sinon.SinonStub;

  beforeEach(async () => {
    clock = new VirtualClock();
    logger = new FakeLogger();
    reservations = new FakeReservationRepository();
    reservations.reserve.resolves(acquired);
    reservations.release.resolves(true);
    terms = [];
    const controllers = () => {
      const term = { start: sinon.stub(), close: sinon.stub().resolves() };
      terms.push(term);
      return [term];
    };
    leads = sinon.stub();
    election = new LeaderElection({ workerName: 'w', holder: 'me', reservations, controllers, leads, clock, logger });
  });

  afterEach(async () => await election.close());

  const role = (): string => election.leadership.role;

  async function start(): Promise<void> {
    election.start();
    await settle();
  }

  it('is unknown before the database has answered', async () => {
    reservations.reserve.returns(new Promise(() => undefined));
    await start();
    expect(election.leadership).to.deep.equal({ role: 'unknown', confirmedAt: undefined });
  });

  it('leads with the only place of its kind, and runs its controllers', async () => {
    await start();
    expect(election.leadership).to.deep.equal({ role: 'leader', confirmedAt: new Date(clock.now()) });
    sinon.assert.calledOnceWithMatch(reservations.reserve, {
      workerName: 'w',
      kind: 'kubernetes-worker/controllers',
      id: 'me',
      limit: 1,
      ttlMs: 10_000,
    });
    expect(terms).to.have.length(1);
    sinon.assert.calledOnce(terms[0]!.start);
  });

  it('tries once a second while another object leads', async () => {
    reservations.reserve.resolves(undefined);
    await start();
    expect(role()).to.equal('follower');
    await clock.advance(5_000);
    sinon.assert.callCount(reservations.reserve, 6);
    expect(terms).to.deep.equal([]);
    reservations.reserve.resolves(acquired);
    await clock.advance(1_000);
    expect(role()).to.equal('leader');
  });

  it('reports whether it leads', async () => {
    await start();
    sinon.assert.calledOnceWithExactly(leads, true);
    reservations.reserve.resolves(undefined);
    await clock.advance(4_000);
    expect(leads.args.flat()).to.deep.equal([true, false, false]);
  });

  it('renews the lease every three seconds', async () => {
    await start();
    await clock.advance(60_000);
    sinon.assert.callCount(reservations.reserve, 21);
    expect(terms).to.have.length(1);
    sinon.assert.notCalled(terms[0]!.close);
  });

  it('ends its controllers when another object has the lease', async () => {
    await start();
    reservations.reserve.resolves(undefined);
    await clock.advance(3_000);
    sinon.assert.calledOnce(terms[0]!.close);
    await clock.advance(1_000);
    expect(role()).to.equal('follower');
    sinon.assert.notCalled(reservations.release);
  });

  for (const [what, fail] of Object.entries({
    fail: () => reservations.reserve.rejects(down),
    hang: () => reservations.reserve.returns(new Promise(() => undefined)),
  }))
    it(`ends its controllers when the lease ends by the local clock while renewals ${what}`, async () => {
      await start();
      fail();
      await clock.advance(9_999);
      sinon.assert.notCalled(terms[0]!.close);
      await clock.advance(1);
      sinon.assert.calledOnce(terms[0]!.close);
      expect(role()).to.equal('unknown');
      reservations.reserve.resolves(acquired);
      await clock.advance(5_000);
      expect(role()).to.equal('leader');
      expect(terms).to.have.length(2);
    });

  it('counts the lease from before a request that was answered late', async () => {
    reservations.reserve.onFirstCall().callsFake(async () => {
      await clock.sleep(2_500);
      return acquired;
    });
    reservations.reserve.rejects(down);
    await start();
    await clock.advance(9_999);
    expect(role()).to.equal('leader');
    await clock.advance(1);
    expect(role()).to.equal('unknown');
  });

  it('waits for the end of its controllers before it tries again', async () => {
    await start();
    const ended = Promise.withResolvers<void>();
    terms[0]!.close.returns(ended.promise);
    reservations.reserve.resolves(undefined);
    await clock.advance(3_000);
    reservations.reserve.resetHistory();
    await clock.advance(30_000);
    sinon.assert.notCalled(reservations.reserve);
    ended.resolve();
    await clock.advance(1_000);
    sinon.assert.calledOnce(reservations.reserve);
  });

  it('hands the lease back at close, after its controllers have ended', async () => {
    await start();
    await election.close();
    sinon.assert.callOrder(terms[0]!.close, reservations.release);
    sinon.assert.calledOnceWithMatch(reservations.release, { workerName: 'w', id: 'me' });
    expect(role()).to.equal('none');
    expect(clock.sleeping).to.equal(0);
  });

  it('closes within three seconds if the lease cannot be handed back', async () => {
    await start();
    reservations.release.returns(new Promise(() => undefined));
    const closed = election.close();
    await clock.advance(3_000);
    await closed;
    sinon.assert.calledOnce(logger.warn);
  });

  it('hands back nothing that it does not have', async () => {
    reservations.reserve.resolves(undefined);
    await start();
    await election.close();
    sinon.assert.notCalled(reservations.release);
  });

  it('logs one warning per outage of the database, and that it is over', async () => {
    reservations.reserve.rejects(down);
    await start();
    await clock.advance(60_000);
    sinon.assert.calledOnce(logger.warn);
    reservations.reserve.resolves(undefined);
    await clock.advance(1_000);
    sinon.assert.calledOnceWithMatch(logger.info, 'the election of a leader continues');
  });

  it('continues after a refusal for another reason, such as a password that is being changed', async () => {
    reservations.reserve.rejects(new InvalidSpecError('database', 'has a wrong password'));
    await start();
    reservations.reserve.resolves(acquired);
    await clock.advance(1_000);
    expect(role()).to.equal('leader');
  });

  it('ends when the worker no longer exists', async () => {
    reservations.reserve.rejects(new InvalidSpecError('workerName', 'has no row'));
    await start();
    await clock.advance(60_000);
    sinon.assert.calledOnce(reservations.reserve);
    expect(role()).to.equal('unknown');
  });
});
