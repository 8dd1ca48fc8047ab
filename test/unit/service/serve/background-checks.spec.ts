import { expect } from 'chai';
import sinon from 'sinon';

import { FakeLogger, FakeWorker } from '../../../../fakes/index.ts';
import { checkTerms, runBackgroundChecks } from '../../../../src/service/serve/background-checks.ts';
import { ServiceState } from '../../../../src/service/serve/service-state.ts';
import { VirtualClock } from '../../../support/virtual-clock.ts';

describe('runBackgroundChecks', () => {
  const answers = [
    { name: 'database', ok: true, message: 'answers' },
    { name: 'api-server', ok: true, message: 'answers' },
    { name: 'store:s3', ok: true, message: 'answers' },
  ];
  let clock: VirtualClock;
  let worker: FakeWorker;
  let state: ServiceState;
  let lagMs: number;
  let stop: AbortController;
  let running: Promise<void>;
  let logger: FakeLogger;

  beforeEach(() => {
    clock = new VirtualClock();
    worker = new FakeWorker({ name: 'w' });
    worker.probe.resolves(answers);
    worker.leadership.returns({ role: 'follower', confirmedAt: undefined });
    state = new ServiceState(clock, checkTerms(['s3']));
    state.started(worker);
    lagMs = 3;
    stop = new AbortController();
    logger = new FakeLogger();
  });

  afterEach(async () => {
    stop.abort();
    await running;
    expect(clock.sleeping).to.equal(0);
  });

  async function start(): Promise<void> {
    running = runBackgroundChecks({ worker, state, lag: { longestMs: () => lagMs }, clock, logger }, stop.signal);
    await clock.advance(0);
  }

  const failed = (): readonly string[] =>
    state
      .probe('readyz')
      .checks.filter(({ ok }) => !ok)
      .map(({ name }) => name);

  it('makes a follower ready, and checks every five seconds', async () => {
    await start();
    expect(state.probe('readyz')).to.have.property('ok', true);
    await clock.advance(60_000);
    sinon.assert.callCount(worker.probe, 13);
    expect(state.probe('readyz').checks.find(({ name }) => name === 'leadership')).to.include({ detail: 'follower' });
  });

  it('checks every second while a check fails', async () => {
    worker.leadership.returns({ role: 'unknown', confirmedAt: undefined });
    await start();
    expect(failed()).to.deep.equal(['leadership']);
    worker.leadership.returns({ role: 'leader', confirmedAt: undefined });
    await clock.advance(1_000);
    expect(failed()).to.deep.equal([]);
  });

  for (const name of ['database', 'api-server'])
    it(`is not ready while the ${name} does not answer`, async () => {
      worker.probe.resolves(answers.map((answer) => (answer.name === name ? { ...answer, ok: false } : answer)));
      await start();
      expect(failed()).to.deep.equal([name]);
      expect(state.probe('readyz').ok).to.equal(false);
    });

  it('stays ready without a store, and shows it', async () => {
    worker.probe.resolves([...answers.slice(0, 2), { name: 'store:s3', ok: false, message: 'no route' }]);
    await start();
    expect(failed()).to.deep.equal(['store:s3']);
    expect(state.probe('readyz').ok).to.equal(true);
  });

  it('is not ready while the event loop is blocked for more than a second', async () => {
    lagMs = 1_001;
    await start();
    expect(failed()).to.deep.equal(['event-loop-lag']);
  });

  it('is not ready when the checks have failed themselves, or hang, for 15 seconds', async () => {
    await start();
    worker.probe.rejects(new Error('fault'));
    await clock.advance(21_000);
    expect(failed()).to.deep.equal(['database', 'api-server', 'store:s3']);
    sinon.assert.calledWithMatch(logger.error, 'the checks failed');
  });
});
