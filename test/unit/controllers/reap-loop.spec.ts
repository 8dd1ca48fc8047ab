import { expect } from 'chai';
import sinon from 'sinon';

import { FakeLogger, FakeWorkerRepository } from '../../../fakes/index.ts';
import { PassRecord } from '../../../src/controllers/pass-record.ts';
import { ReapLoop } from '../../../src/controllers/reap-loop.ts';
import { settle, VirtualClock } from '../../support/virtual-clock.ts';

describe('ReapLoop', () => {
  const nothing = {
    deletedPods: 0,
    deletedContainers: 0,
    deletedVolumes: 0,
    deletedConfigMaps: 0,
    deletedArchives: 0,
    deletedKeys: 0,
    complete: true,
  };
  let clock: VirtualClock;
  let workers: FakeWorkerRepository;
  let logger: FakeLogger;
  let reap: sinon.SinonStub;
  let record: PassRecord;
  let loop: ReapLoop;

  beforeEach(() => {
    clock = new VirtualClock();
    workers = new FakeWorkerRepository();
    workers.beginReap.resolves(true);
    workers.endReap.resolves();
    logger = new FakeLogger();
    record = new PassRecord('reaper', 60_000, clock);
    reap = sinon.stub().resolves(nothing);
    const reaper = { reap };
    loop = new ReapLoop({
      workerName: 'w',
      reaper,
      workers,
      everyMs: 60_000,
      holder: 'me',
      clock,
      logger,
      record,
      random: () => 0.5,
    });
    loop.start();
  });

  afterEach(async () => await loop.close());

  async function advance(durationMs: number): Promise<void> {
    await settle();
    await clock.advance(durationMs);
    await settle();
  }

  it('runs the first pass at a random time of the first period, then one in each period', async () => {
    await advance(29_999);
    sinon.assert.notCalled(reap);
    await advance(1);
    sinon.assert.calledOnceWithMatch(reap, { findUnknown: true });
    await advance(59_999);
    sinon.assert.calledOnce(reap);
    await advance(1);
    sinon.assert.calledTwice(reap);
  });

  it('records passes: those that have done everything as successes, and failures', async () => {
    const at = (ms: number): Date => new Date(clock.now() + ms);
    const begun = at(30_000);
    reap.onFirstCall().resolves({ ...nothing, complete: false });
    reap.onSecondCall().rejects(new Error('away'));
    await advance(30_000);
    expect(record.state).to.deep.include({ beganAt: begun, succeededAt: undefined, failedAt: undefined });
    await advance(60_000);
    const failed = at(0);
    expect(record.state).to.deep.include({ beganAt: failed, succeededAt: undefined, failedAt: failed });
    await advance(60_000);
    expect(record.state).to.deep.include({ beganAt: at(0), succeededAt: at(0), failedAt: failed, failure: 'OTHER' });
    workers.beginReap.resolves(false);
    const before = record.state;
    await advance(60_000);
    expect(record.state).to.deep.equal(before);
  });

  it('holds the lease of the worker during the pass', async () => {
    await advance(30_000);
    sinon.assert.calledOnceWithMatch(workers.beginReap, 'w', { holder: 'me' }, { sinceMs: 54_000 });
    sinon.assert.calledOnceWithExactly(workers.endReap, 'w', 'me');
    sinon.assert.callOrder(workers.beginReap, reap, workers.endReap);
  });

  it('renews a short lease during the pass, so that another host continues soon after its host died', async () => {
    const pass = Promise.withResolvers<typeof nothing>();
    reap.onFirstCall().returns(pass.promise);
    workers.renewReap.rejects(new Error('down'));
    await advance(30_000);
    expect(workers.beginReap.firstCall.args[1].durationMs).to.equal(15_000);
    for (let renewals = 1; renewals <= 6; renewals += 1) {
      await advance(5_000);
      sinon.assert.callCount(workers.renewReap, renewals);
    }
    sinon.assert.alwaysCalledWithMatch(workers.renewReap, 'w', { holder: 'me', durationMs: 15_000 });
    pass.resolve(nothing);
    await advance(20_000);
    sinon.assert.callCount(workers.renewReap, 6);
  });

  it('runs no pass if another host runs one or has run one in this period', async () => {
    workers.beginReap.resolves(false);
    await advance(30_000);
    sinon.assert.calledOnce(workers.beginReap);
    sinon.assert.notCalled(reap);
    sinon.assert.notCalled(workers.endReap);
    await advance(60_000);
    sinon.assert.calledTwice(workers.beginReap);
  });

  context('when it is hurried', () => {
    it('runs one pass soon after, without a list of all pods, for any number of requests', async () => {
      await settle();
      for (let count = 0; count < 5; count += 1) loop.hurry();
      await advance(499);
      sinon.assert.notCalled(reap);
      await advance(1);
      sinon.assert.calledOnceWithMatch(reap, { findUnknown: false });
      sinon.assert.calledWithMatch(workers.beginReap, 'w', { holder: 'me' }, { sinceMs: 0 });
      await advance(29_400);
      sinon.assert.calledOnce(reap);
    });

    it('runs another pass if a request arrives during a pass', async () => {
      const first = Promise.withResolvers<typeof nothing>();
      reap.onFirstCall().returns(first.promise);
      loop.hurry();
      await advance(500);
      loop.hurry();
      first.resolve(nothing);
      await advance(500);
      sinon.assert.calledTwice(reap);
    });

    it('runs the pass of the period at its time', async () => {
      loop.hurry();
      await advance(500);
      await advance(29_500);
      sinon.assert.calledTwice(reap);
      expect(reap.secondCall.args[0]).to.include({ findUnknown: true });
    });
  });

  for (const [what, fail] of Object.entries({
    'the lease cannot be acquired': () => workers.beginReap.onFirstCall().rejects(new Error('down')),
    'the pass fails': () => reap.onFirstCall().rejects(new Error('down')),
    'the lease cannot be released': () => workers.endReap.onFirstCall().rejects(new Error('down')),
  }))
    it(`logs a warning and continues if ${what}`, async () => {
      fail();
      await advance(30_000);
      sinon.assert.calledOnce(logger.warn);
      reap.resetHistory();
      await advance(60_000);
      sinon.assert.calledOnce(reap);
    });

  it('stops a pass after two minutes, and continues', async () => {
    reap.onFirstCall().callsFake(async ({ signal }: { signal: AbortSignal }) => {
      await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
    });
    await advance(30_000);
    await advance(119_999);
    sinon.assert.calledOnce(reap);
    await advance(1);
    sinon.assert.calledTwice(reap);
    sinon.assert.calledTwice(workers.endReap);
  });

  it('aborts its pass at close, waits for it, and runs no other, which is no failure', async () => {
    let hasEnded = false;
    reap.callsFake(async ({ signal }: { signal: AbortSignal }) => {
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
      hasEnded = true;
      signal.throwIfAborted();
    });
    await advance(30_000);
    await loop.close();
    expect(hasEnded).to.equal(true);
    expect(record.state.failedAt).to.equal(undefined);
    sinon.assert.calledOnce(workers.endReap);
    sinon.assert.notCalled(logger.warn);
    await advance(600_000);
    sinon.assert.calledOnce(reap);
    expect(clock.sleeping).to.equal(0);
  });
});
