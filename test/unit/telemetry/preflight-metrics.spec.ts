import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import { expect } from 'chai';

import { preflightMetrics } from '../../../src/telemetry/preflight-metrics.ts';

describe('preflightMetrics', () => {
  it('records the duration of each check by outcome, and counts those without a request', async () => {
    const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
    const provider = new MeterProvider({ readers: [new PeriodicExportingMetricReader({ exporter })] });
    const checked = preflightMetrics(provider.getMeter('test'));
    checked({ outcome: 'OK', isCached: false, durationMs: 250 });
    checked({ outcome: 'OK', isCached: true, durationMs: 0 });
    checked({ outcome: 'MISSING', isCached: false, durationMs: 500 });
    await provider.forceFlush();
    const recorded = exporter
      .getMetrics()
      .flatMap(({ scopeMetrics }) => scopeMetrics.flatMap(({ metrics }) => metrics));
    const points = (name: string) => recorded.find(({ descriptor }) => descriptor.name === name)?.dataPoints ?? [];
    const durations = points('kubernetes_worker.preflight.duration');
    expect(durations.map(({ attributes }) => attributes)).to.deep.equal([{ outcome: 'OK' }, { outcome: 'MISSING' }]);
    expect(durations.map(({ value }) => value)[0]).to.include({ sum: 0.25, count: 2 });
    expect(points('kubernetes_worker.preflight.cache_hits').map(({ value }) => value)).to.deep.equal([1]);
    await provider.shutdown();
  });

  it('has no effect without an SDK', () => {
    expect(() => preflightMetrics()({ outcome: 'OK', isCached: true, durationMs: 1 })).not.to.throw();
  });
});
