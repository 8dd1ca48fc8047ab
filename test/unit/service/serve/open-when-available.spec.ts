import { expect } from 'chai';
import sinon from 'sinon';

import { FakeLogger } from '../../../../fakes/index.ts';
import { InvalidSpecError, RepositoryUnavailableError } from '../../../../src/index.ts';
import { openWhenAvailable } from '../../../../src/service/serve/open-when-available.ts';
import { rejection } from '../../../support/rejection.ts';
import { settle, VirtualClock } from '../../../support/virtual-clock.ts';

const down = new RepositoryUnavailableError('connection refused');

describe('openWhenAvailable', () => {
  let clock: VirtualClock;
  let logger: FakeLogger;
  let open: sinon.SinonStub;
  let stop: AbortController;

  beforeEach(() => {
    clock = new VirtualClock();
    logger = new FakeLogger();
    open = sinon.stub();
    stop = new AbortController();
  });

  const opening = (limitMs = 60_000): Promise<unknown> =>
    openWhenAvailable({ open, limitMs, clock, logger, signal: stop.signal });

  it('returns what opens at once', async () => {
    open.resolves('worker');
    expect(await opening()).to.equal('worker');
    sinon.assert.notCalled(logger.warn);
  });

  for (const [what, failure] of Object.entries({
    'the database does not answer': down,
    'another program has to apply a migration': new InvalidSpecError('migrate', 'lacks 0017'),
  }))
    it(`retries while ${what}, ever less often`, async () => {
      open.rejects(failure);
      const opened = opening();
      await clock.advance(999);
      sinon.assert.calledOnce(open);
      await clock.advance(1);
      sinon.assert.calledTwice(open);
      await clock.advance(2_000);
      sinon.assert.calledThrice(open);
      open.resolves('worker');
      await clock.advance(4_000);
      expect(await opened).to.equal('worker');
    });

  it('rejects with the last failure when its time is over', async () => {
    open.rejects(down);
    const rejected = rejection(opening(10_000));
    await clock.advance(10_000);
    expect(await rejected).to.equal(down);
    sinon.assert.callCount(open, 5);
  });

  it('rejects at once for a failure that does not pass', async () => {
    const wrong = new InvalidSpecError('database', 'has a wrong password');
    open.rejects(wrong);
    expect(await rejection(opening())).to.equal(wrong);
  });

  it('rejects with the reason of its signal while it waits', async () => {
    open.rejects(down);
    const rejected = rejection(opening());
    await settle();
    stop.abort(new Error('SIGTERM'));
    expect(await rejected).to.include({ message: 'SIGTERM' });
    expect(clock.sleeping).to.equal(0);
  });
});
