import { expect } from 'chai';
import sinon from 'sinon';

import { FakeLogger } from '../../../fakes/index.ts';
import { HeartbeatLoop, heartbeatExpiryMs } from '../../../src/controllers/heartbeat-loop.ts';
import { PassRecord } from '../../../src/controllers/pass-record.ts';
import { RepositoryUnavailableError } from '../../../src/errors/repository.ts';
import { WorkerNotRunningError } from '../../../src/errors/worker.ts';
import type { WorkerInfo } from '../../../src/runtime/worker-lifecycle.ts';
import { settle, VirtualClock } from '../../support/virtual-clock.ts';

const everyMs = 30_000;
const worker: WorkerInfo = {
  name: 'w',
  state: 'running',
  activeContainers: 0,
  activeVolumes: 0,
  registeredAt: new Date(0),
};
const down = new RepositoryUnavailableError('down');

describe('HeartbeatLoop', () => {
  let clock: VirtualClock;
  let logger: FakeLogger;
  let heartbeat: sinon.SinonStub;
  let loop: HeartbeatLoop;

  beforeEach(() => {
    clock = new VirtualClock();
    logger = new FakeLogger();
    heartbeat = sinon.stub().resolves(worker);
    loop = new HeartbeatLoop({ workerName: 'w', registrar: { heartbeat }, everyMs, clock, logger });
  });

  afterEach(async () => await loop.close());

  async function advance(durationMs: number): Promise<void> {
    await settle();
    await clock.advance(durationMs);
    await settle();
  }

  it('sends the first heartbeat at once, then one in each period [A47]', async () => {
    loop.start();
    loop.start();
    await advance(everyMs - 1);
    sinon.assert.calledOnce(heartbeat);
    await advance(1);
    sinon.assert.calledTwice(heartbeat);
    await advance(everyMs);
    sinon.assert.calledThrice(heartbeat);
  });

  it('records its heartbeats', async () => {
    const record = new PassRecord('heartbeats', everyMs, clock);
    heartbeat.onFirstCall().rejects(down);
    await using recorded = {
      loop: new HeartbeatLoop({ workerName: 'w', registrar: { heartbeat }, everyMs, clock, logger, record }),
      [Symbol.asyncDispose]: async () => await recorded.loop.close(),
    };
    recorded.loop.start();
    await settle();
    const failedAt = new Date(clock.now());
    expect(record.state).to.deep.include({ beganAt: failedAt, failedAt, failure: down.code, succeededAt: undefined });
    await advance(1_000);
    const { succeededAt } = record.state;
    expect(succeededAt).to.be.greaterThan(failedAt);
    expect(record.state).to.deep.include({ beganAt: succeededAt, failedAt });
  });

  it('counts the period from the beginning of a heartbeat that takes long', async () => {
    heartbeat.onFirstCall().callsFake(async () => {
      await clock.sleep(20_000);
      return worker;
    });
    loop.start();
    await advance(everyMs);
    sinon.assert.calledTwice(heartbeat);
  });

  it('survives a failed heartbeat: two periods pass before the last one expires [A47]', () => {
    expect(heartbeatExpiryMs(everyMs)).to.equal(75_000);
  });

  context('when heartbeats fail', () => {
    it('retries after a second, and less and less often, but at least every 15 seconds', async () => {
      heartbeat.rejects(down);
      loop.start();
      await advance(1_000);
      sinon.assert.calledTwice(heartbeat);
      await advance(120_000);
      heartbeat.resetHistory();
      await advance(15_000);
      expect(heartbeat.callCount).to.be.within(1, 2);
    });

    it('retries no less often than its period', async () => {
      heartbeat.rejects(down);
      loop = new HeartbeatLoop({ workerName: 'w', registrar: { heartbeat }, everyMs: 100, clock, logger });
      loop.start();
      await advance(100);
      expect(heartbeat.callCount).to.be.greaterThanOrEqual(2);
    });

    it('logs the first failure as a warning, and the end of the failures', async () => {
      heartbeat.onFirstCall().rejects(down);
      heartbeat.onSecondCall().rejects(down);
      loop.start();
      await advance(5_000);
      sinon.assert.calledOnceWithExactly(logger.warn, 'heartbeat failed', { workerName: 'w', error: down });
      sinon.assert.calledOnceWithExactly(logger.debug, 'heartbeat failed', { workerName: 'w', error: down });
      sinon.assert.calledOnceWithExactly(logger.info, 'heartbeats continue', { workerName: 'w' });
      heartbeat.onCall(3).rejects(down);
      await advance(everyMs);
      sinon.assert.calledTwice(logger.warn);
    });
  });

  for (const [what, end] of Object.entries({
    'it has deleted the worker': () => heartbeat.onFirstCall().resolves(undefined),
    'the worker no longer exists': () => heartbeat.onFirstCall().rejects(new WorkerNotRunningError('w', 'retired')),
  }))
    it(`ends without a warning when ${what}`, async () => {
      end();
      loop.start();
      await advance(10 * everyMs);
      sinon.assert.calledOnce(heartbeat);
      sinon.assert.notCalled(logger.warn);
      expect(clock.sleeping).to.equal(0);
    });

  it('aborts its heartbeat at close, waits for it, and sends no other', async () => {
    let hasEnded = false;
    heartbeat.callsFake(async ({ signal }: { signal: AbortSignal }) => {
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
      hasEnded = true;
      signal.throwIfAborted();
    });
    loop.start();
    await settle();
    await loop.close();
    expect(hasEnded).to.equal(true);
    sinon.assert.notCalled(logger.warn);
    await advance(10 * everyMs);
    sinon.assert.calledOnce(heartbeat);
  });

  for (const [when, prepare] of Object.entries({
    'for the next period': (): void => undefined,
    'for a retry': (): void => void heartbeat.rejects(down),
  }))
    it(`ends at close while it waits ${when}`, async () => {
      prepare();
      loop.start();
      await settle();
      expect(clock.sleeping).to.equal(1);
      await loop.close();
      expect(clock.sleeping).to.equal(0);
    });

  it('closes without a start, and more than once', async () => {
    await loop.close();
    await loop.close();
    sinon.assert.notCalled(heartbeat);
  });
});
