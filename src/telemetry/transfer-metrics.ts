import { type Meter, metrics, ValueType } from '@opentelemetry/api';

import type { TransferObserver } from '../runtime/transfer-report.ts';

/**
 * Records transfers as OpenTelemetry metrics, which `docs/metrics.md` lists. Without an SDK in the
 * host it has no cost.
 *
 * @param meter - the meter of the host's OpenTelemetry SDK
 */
export function transferMetrics(meter: Meter = metrics.getMeter('kubernetes-worker')): TransferObserver {
  const whole = { valueType: ValueType.INT } as const;
  const duration = meter.createHistogram('kubernetes_worker.transfer.duration', {
    description: 'How long a transfer took, by direction and outcome',
    unit: 's',
    advice: { explicitBucketBoundaries: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800] },
  });
  const bytes = meter.createCounter('kubernetes_worker.transfer.bytes', {
    ...whole,
    description: 'Raw bytes moved',
    unit: 'By',
  });
  const attempts = meter.createCounter('kubernetes_worker.transfer.attempts', {
    ...whole,
    description: 'Connection attempts of transfers',
    unit: '{attempt}',
  });
  const reconnects = meter.createCounter('kubernetes_worker.transfer.reconnects', {
    ...whole,
    description: 'Times that a transfer continued over another connection',
    unit: '{reconnect}',
  });
  return (report) => {
    const { direction } = report;
    duration.record(report.durationMs / 1000, { direction, outcome: report.outcome });
    bytes.add(report.bytes, { direction });
    attempts.add(report.attempts, { direction });
    reconnects.add(report.reconnects, { direction });
  };
}
