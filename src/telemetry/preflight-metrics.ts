import { type Meter, metrics, ValueType } from '@opentelemetry/api';

import type { PreflightObserver } from '../runtime/preflight-report.ts';

/**
 * Records the checks of images as OpenTelemetry metrics, which `docs/metrics.md` lists. Without an
 * SDK in the host it has no cost.
 *
 * @param meter - the meter of the host's OpenTelemetry SDK
 */
export function preflightMetrics(meter: Meter = metrics.getMeter('kubernetes-worker')): PreflightObserver {
  const duration = meter.createHistogram('kubernetes_worker.preflight.duration', {
    description: 'How long the check of an image took, by outcome',
    unit: 's',
    advice: { explicitBucketBoundaries: [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] },
  });
  const cacheHits = meter.createCounter('kubernetes_worker.preflight.cache_hits', {
    valueType: ValueType.INT,
    description: 'Checks of an image without a request of their own',
    unit: '{check}',
  });
  return ({ outcome, isCached, durationMs }) => {
    duration.record(durationMs / 1000, { outcome });
    if (isCached) cacheHits.add(1);
  };
}
