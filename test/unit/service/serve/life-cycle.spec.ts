import { expect } from 'chai';
import sinon from 'sinon';

import { FakeLogger, FakeWorker } from '../../../../fakes/index.ts';
import { runService, type ServiceParts } from '../../../../src/service/serve/life-cycle.ts';
import { ServiceState } from '../../../../src/service/serve/service-state.ts';
import { rejection } from '../../../support/rejection.ts';
import { settle, VirtualClock } from '../../../support/virtual-clock.ts';

describe('runService', () => {
  let clock: VirtualClock;
  let state: ServiceState;
  let worker: FakeWorker;
  let listener: { readonly url: string; readonly close: sinon.SinonStub };
  let closeTelemetry: sinon.SinonStub;
  let logger: FakeLogger;
  let stop: AbortController;
  let parts: ServiceParts;

  beforeEach(() => {
    clock = new VirtualClock();
    state = new ServiceState(clock, []);
    worker = new FakeWorker({ name: 'w' });
    for (const method of [worker.stopControllers, worker.close]) method.resolves();
    listener = { url: 'http://127.0.0.1:1', close: sinon.stub().resolves() };
    closeTelemetry = sinon.stub().resolves();
    logger = new FakeLogger();
    stop = new AbortController();
    parts = {
      state,
      listen: async () => [listener],
      openWorker: async () => worker,
      whileOpen: async (_worker, signal) =>
        await new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true })),
      closeTelemetry,
      graceMs: () => 45_000,
      clock,
      logger,
    };
  });

  it('listens before the database has answered, and is started when it has', async () => {
    const opened = Promise.withResolvers<FakeWorker>();
    const running = runService({ ...parts, openWorker: async () => await opened.promise }, stop.signal);
    await settle();
    expect(state.phase).to.equal('starting');
    opened.resolve(worker);
    await settle();
    expect(state.phase).to.equal('running');
    expect(state.worker).to.equal(worker);
    stop.abort();
    await running;
  });

  it('ends in order: not ready, lease handed back, responses, worker, telemetry', async () => {
    const phases: string[] = [];
    worker.stopControllers.callsFake(async () => void phases.push(state.phase));
    const running = runService(parts, stop.signal);
    await settle();
    stop.abort();
    await running;
    expect(phases).to.deep.equal(['draining']);
    sinon.assert.callOrder(worker.stopControllers, listener.close, worker.close, closeTelemetry);
    sinon.assert.calledOnceWithExactly(listener.close, { graceMs: 45_000 });
    sinon.assert.calledOnceWithExactly(closeTelemetry, 5_000);
    expect(clock.sleeping).to.equal(0);
  });

  it('continues with the next step if one fails or hangs', async () => {
    worker.stopControllers.returns(new Promise(() => undefined));
    listener.close.rejects(new Error('no'));
    worker.close.returns(new Promise(() => undefined));
    const running = runService(parts, stop.signal);
    await settle();
    stop.abort();
    await clock.advance(10_000);
    sinon.assert.calledOnce(listener.close);
    await clock.advance(10_000);
    await running;
    sinon.assert.calledOnce(closeTelemetry);
    sinon.assert.calledThrice(logger.warn);
  });

  it('ends in order when the signal aborts while the worker opens', async () => {
    const openWorker = async (signal: AbortSignal): Promise<never> =>
      await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
    const running = runService({ ...parts, openWorker }, stop.signal);
    await settle();
    stop.abort(new Error('SIGTERM'));
    await running;
    sinon.assert.callOrder(listener.close, closeTelemetry);
  });

  it('rejects if the start fails, after it has ended what had started', async () => {
    const openWorker = async (): Promise<never> => await Promise.reject(new Error('no database'));
    expect(await rejection(runService({ ...parts, openWorker }, stop.signal))).to.include({ message: 'no database' });
    sinon.assert.callOrder(listener.close, closeTelemetry);
  });
});
