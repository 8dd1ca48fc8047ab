import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import { expect } from 'chai';

import { archiveMetrics } from '../../../src/telemetry/archive-metrics.ts';

describe('archiveMetrics', () => {
  it('records bytes and durations, by store, direction and outcome', async () => {
    const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
    const provider = new MeterProvider({ readers: [new PeriodicExportingMetricReader({ exporter })] });
    const ended = archiveMetrics(provider.getMeter('test'));
    ended({ store: 's3', direction: 'in', outcome: 'OK', bytes: 1000, durationMs: 1500 });
    ended({ store: 's3', direction: 'in', outcome: 'UNCHANGED', bytes: 0, durationMs: 20 });
    await provider.forceFlush();
    const points = exporter
      .getMetrics()
      .flatMap(({ scopeMetrics }) => scopeMetrics.flatMap(({ metrics }) => metrics))
      .map(({ descriptor, dataPoints }) => [
        descriptor.name,
        dataPoints.map(({ attributes, value }) => [attributes, typeof value === 'number' ? value : value.sum]),
      ]);
    expect(points).to.deep.equal([
      [
        'kubernetes_worker.archive.duration',
        [
          [{ store: 's3', direction: 'in', outcome: 'OK' }, 1.5],
          [{ store: 's3', direction: 'in', outcome: 'UNCHANGED' }, 0.02],
        ],
      ],
      ['kubernetes_worker.archive.bytes', [[{ store: 's3', direction: 'in' }, 1000]]],
    ]);
    await provider.shutdown();
  });
});
