import { type Meter, metrics, ValueType } from '@opentelemetry/api';

import type { Operation } from './semconv.ts';

const lostPods = ['POD_DELETED', 'POD_EVICTED', 'POD_FAILED', 'OUT_OF_MEMORY', 'CONTAINER_DISAPPEARED'];

/** The outcomes of which an alert counts even a single event. */
const watchedOutcomes: Readonly<Partial<Record<Operation, readonly string[]>>> = {
  'container.create': ['OK', 'POD_UNSCHEDULABLE', 'IMAGE_PULL_FAILED', 'QUOTA_EXCEEDED', 'HERMETIC_NOT_ENFORCED'],
  'process.run': ['OK', 'OUTCOME_UNKNOWN', ...lostPods],
  'outputs.save': ['OK', 'STORE_UNAVAILABLE', 'STORE_DENIED', 'DISK_FULL'],
  'reaper.pass': ['OK', 'RECONCILE'],
};

/** Receives the start and the end of each operation. */
export interface OperationObserver {
  began(operation: Operation): void;
  /** `outcome`: `OK`, `CANCELLED`, the code of an error without its prefix, or `OTHER`. */
  ended(operation: Operation, outcome: string, durationMs: number): void;
}

/**
 * Records operations as OpenTelemetry metrics, which `docs/metrics.md` lists. The duration has no
 * outcome, because each outcome would have all its buckets.
 *
 * @param meter - the meter of the host's OpenTelemetry SDK
 */
export function operationMetrics(meter: Meter = metrics.getMeter('kubernetes-worker')): OperationObserver {
  const duration = meter.createHistogram('kubernetes_worker.operation.duration', {
    description: 'How long an operation took, whatever its outcome, by operation',
    unit: 's',
    advice: { explicitBucketBoundaries: [0.05, 0.25, 0.5, 1, 2, 3, 5, 8, 13, 20, 30, 60, 120, 300, 600, 1800, 7200] },
  });
  const results = meter.createCounter('kubernetes_worker.operation.results', {
    valueType: ValueType.INT,
    description: 'Operations that have ended, by operation and outcome',
    unit: '{operation}',
  });
  const active = meter.createUpDownCounter('kubernetes_worker.operation.active', {
    valueType: ValueType.INT,
    description: 'Operations of this process that have begun and not ended, by operation',
    unit: '{operation}',
  });
  // A counter that appears only with its first event shows no increase for that event.
  for (const [operation, outcomes] of Object.entries(watchedOutcomes))
    for (const outcome of outcomes) results.add(0, { operation, outcome });
  return {
    began: (operation) => active.add(1, { operation }),
    ended: (operation, outcome, durationMs) => {
      active.add(-1, { operation });
      results.add(1, { operation, outcome });
      duration.record(durationMs / 1000, { operation });
    },
  };
}
