import { expect } from 'chai';
import sinon from 'sinon';

import { FakeLogger } from '../../../fakes/index.ts';
import { KeySweepLoop } from '../../../src/controllers/key-sweep-loop.ts';
import { PassRecord } from '../../../src/controllers/pass-record.ts';
import { settle, VirtualClock } from '../../support/virtual-clock.ts';

describe('KeySweepLoop', () => {
  let clock: VirtualClock;
  let logger: FakeLogger;
  let sweepStores: sinon.SinonStub;
  let record: PassRecord;
  let loop: KeySweepLoop;

  beforeEach(() => {
    [clock, logger] = [new VirtualClock(), new FakeLogger()];
    sweepStores = sinon.stub().resolves({ deletedKeys: 0 });
    const reaper = { sweepStores };
    record = new PassRecord('store-sweep', 10_000, clock);
    loop = new KeySweepLoop({ workerName: 'w', reaper, everyMs: 10_000, clock, logger, record, random: () => 0.25 });
    loop.start();
  });

  afterEach(async () => {
    await loop.close();
    expect(clock.sleeping).to.equal(0);
  });

  async function advance(durationMs: number): Promise<void> {
    await settle();
    await clock.advance(durationMs);
    await settle();
  }

  it('sweeps at a random time of the first period, then in periods that vary by a tenth', async () => {
    await advance(2_499);
    sinon.assert.notCalled(sweepStores);
    await advance(1);
    sinon.assert.calledOnce(sweepStores);
    await advance(9_499);
    sinon.assert.calledOnce(sweepStores);
    await advance(1);
    sinon.assert.calledTwice(sweepStores);
  });

  it('records its sweeps', async () => {
    sweepStores.onFirstCall().rejects(new Error('away'));
    await advance(2_500);
    const failedAt = new Date(clock.now());
    expect(record.state).to.deep.include({ beganAt: failedAt, failedAt, failure: 'OTHER', succeededAt: undefined });
    await advance(9_500);
    const succeededAt = new Date(clock.now());
    expect(record.state).to.deep.include({ beganAt: succeededAt, failedAt, succeededAt });
  });

  it('logs a failure, and continues', async () => {
    sweepStores.onFirstCall().rejects(new Error('away'));
    await advance(2_500);
    sinon.assert.calledOnceWithMatch(logger.warn, 'sweep of the stores failed', { workerName: 'w' });
    await advance(9_500);
    sinon.assert.calledTwice(sweepStores);
  });

  it('aborts a sweep after half an hour', async () => {
    sweepStores.returns(new Promise(() => {}));
    await advance(2_500);
    await advance(30 * 60_000);
    sinon.assert.calledOnce(logger.warn);
    const { signal } = sweepStores.firstCall.args[0] as { signal: AbortSignal };
    expect(signal.aborted).to.equal(true);
  });

  it('aborts the sweep under way when it is closed, without a warning', async () => {
    sweepStores.callsFake(
      async ({ signal }: { signal: AbortSignal }) =>
        await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error))),
    );
    await advance(2_500);
    await loop.close();
    sinon.assert.notCalled(logger.warn);
  });
});
