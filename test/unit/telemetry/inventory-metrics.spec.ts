import { expect } from 'chai';

import { type Inventory, inventoryMetrics } from '../../../src/telemetry/inventory-metrics.ts';
import { recordingMeter } from '../../support/telemetry/recording-meter.ts';

const inventory: Inventory = {
  containers: { creating: 1, created: 2 },
  volumes: { created: 3 },
  stores: [
    { store: 'pvc', archivedBytes: 40, usage: { totalBytes: 100, freeBytes: 60 } },
    { store: 's3', archivedBytes: 7 },
  ],
};

describe('inventoryMetrics', () => {
  let leads: boolean;
  let timeMs: number;
  let measured: number;
  let failure: Error | undefined;
  let errors: unknown[];
  let signals: AbortSignal[];
  let meter: ReturnType<typeof recordingMeter>;
  let metrics: Disposable;

  beforeEach(() => {
    [leads, timeMs, measured, failure, errors, signals] = [true, 1_000, 0, undefined, [], []];
    meter = recordingMeter();
    const measure = async (signal: AbortSignal): Promise<Inventory> => {
      measured += 1;
      signals.push(signal);
      if (failure !== undefined) throw failure;
      return inventory;
    };
    const terms = {
      measure,
      isLeader: () => leads,
      now: () => timeMs,
      onError: (error: unknown) => errors.push(error),
    };
    metrics = inventoryMetrics(terms, meter.meter);
  });

  afterEach(() => metrics[Symbol.dispose]());

  it('waits for no measurement: the first collection begins one, the next has it', async () => {
    expect(await meter.collect()).to.deep.equal([]);
    expect(await meter.collect()).to.deep.equal([
      'kubernetes_worker.containers{state=creating} 1',
      'kubernetes_worker.containers{state=created} 2',
      'kubernetes_worker.volumes{state=created} 3',
      'kubernetes_worker.store.archived{store=pvc} 40',
      'kubernetes_worker.store.archived{store=s3} 7',
      'kubernetes_worker.store.capacity{store=pvc} 100',
      'kubernetes_worker.store.free{store=pvc} 60',
      'kubernetes_worker.inventory.timestamp 1',
    ]);
    expect(measured).to.equal(1);
  });

  it('measures again after 30 seconds, and not before', async () => {
    await meter.collect();
    timeMs += 29_999;
    await meter.collect();
    expect(measured).to.equal(1);
    timeMs += 1;
    await meter.collect();
    expect(measured).to.equal(2);
  });

  it('keeps the last values when a measurement fails, reports the failure, and tries again', async () => {
    await meter.collect();
    failure = new Error('database down');
    timeMs += 30_000;
    await meter.collect();
    expect(await meter.collect()).to.include('kubernetes_worker.inventory.timestamp 1');
    expect(errors).to.deep.equal([failure]);
    timeMs += 30_000;
    await meter.collect();
    expect(measured).to.equal(3);
  });

  it('has nothing, and measures nothing, in a process that does not lead', async () => {
    leads = false;
    await meter.collect();
    expect(measured).to.equal(0);
    leads = true;
    await meter.collect();
    expect(await meter.collect()).to.have.length(8);
    leads = false;
    expect(await meter.collect()).to.deep.equal([]);
  });

  it('aborts the measurement under way when it is disposed, and reports no failure', async () => {
    failure = new Error('aborted');
    const collecting = meter.collect();
    metrics[Symbol.dispose]();
    await collecting;
    expect(signals.map(({ aborted }) => aborted)).to.deep.equal([true]);
    expect(errors).to.deep.equal([]);
    expect(meter.batches()).to.equal(0);
  });
});
