import { type Meter, metrics, ValueType } from '@opentelemetry/api';

import type { CacheObserver } from '../runtime/cache-report.ts';

/**
 * Records uses of caches as OpenTelemetry metrics, which `docs/metrics.md` lists. Without an SDK in
 * the host it has no cost.
 *
 * @param meter - the meter of the host's OpenTelemetry SDK
 */
export function cacheMetrics(meter: Meter = metrics.getMeter('kubernetes-worker')): CacheObserver {
  const lookups = meter.createCounter('kubernetes_worker.cache.lookups', {
    valueType: ValueType.INT,
    description: 'Lookups of caches, by kind and outcome',
    unit: '{lookup}',
  });
  const bytes = meter.createCounter('kubernetes_worker.cache.bytes', {
    valueType: ValueType.INT,
    description: 'Raw bytes moved into and out of caches, by kind, store and direction',
    unit: 'By',
  });
  return {
    lookedUp: ({ kind, store, outcome }) => lookups.add(1, { kind, store, outcome }),
    moved: ({ kind, store, direction, rawBytes }) => bytes.add(rawBytes, { kind, store, direction }),
  };
}
