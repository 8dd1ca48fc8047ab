import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import { expect } from 'chai';

import { transferMetrics } from '../../../src/telemetry/transfer-metrics.ts';

describe('transferMetrics', () => {
  it('records bytes, attempts, reconnects and durations, by direction and outcome', async () => {
    const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
    const provider = new MeterProvider({ readers: [new PeriodicExportingMetricReader({ exporter })] });
    const ended = transferMetrics(provider.getMeter('test'));
    ended({ direction: 'in', outcome: 'OK', bytes: 1000, durationMs: 1500, attempts: 3, reconnects: 2 });
    ended({ direction: 'in', outcome: 'DISK_FULL', bytes: 10, durationMs: 500, attempts: 1, reconnects: 0 });
    await provider.forceFlush();
    const recorded = exporter
      .getMetrics()
      .flatMap(({ scopeMetrics }) => scopeMetrics.flatMap(({ metrics }) => metrics));
    const pointsOf = (name: string) =>
      recorded
        .find(({ descriptor }) => descriptor.name === name)
        ?.dataPoints.map(({ attributes, value }) => ({ attributes, value }));
    expect(pointsOf('kubernetes_worker.transfer.bytes')).to.deep.equal([
      { attributes: { direction: 'in' }, value: 1010 },
    ]);
    expect(pointsOf('kubernetes_worker.transfer.attempts')).to.deep.equal([
      { attributes: { direction: 'in' }, value: 4 },
    ]);
    expect(pointsOf('kubernetes_worker.transfer.reconnects')).to.deep.equal([
      { attributes: { direction: 'in' }, value: 2 },
    ]);
    const durations = pointsOf('kubernetes_worker.transfer.duration') ?? [];
    expect(durations.map(({ attributes }) => attributes)).to.deep.equal([
      { direction: 'in', outcome: 'OK' },
      { direction: 'in', outcome: 'DISK_FULL' },
    ]);
    expect(durations[0]?.value).to.include({ sum: 1.5, count: 1 });
    await provider.shutdown();
  });

  it('has no effect without an SDK', () => {
    expect(() =>
      transferMetrics()({ direction: 'out', outcome: 'OK', bytes: 1, durationMs: 1, attempts: 1, reconnects: 0 }),
    ).not.to.throw();
  });
});
