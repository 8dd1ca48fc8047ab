import { type Meter, metrics, ValueType } from '@opentelemetry/api';

import { observableGauge } from './observable-gauge.ts';

/** Receives the end of each statement. `outcome` as in `outcomeOf`, or `OK`. */
export type StatementObserver = (outcome: string, durationMs: number) => void;

/** The connections of a pool. */
export interface PoolState {
  readonly used: number;
  readonly idle: number;
  /** Statements that wait for a connection. */
  readonly waiting: number;
  readonly limit: number;
}

/**
 * Records statements as OpenTelemetry metrics, which `docs/metrics.md` lists.
 *
 * @param meter - the meter of the host's OpenTelemetry SDK
 */
export function statementMetrics(meter: Meter = metrics.getMeter('kubernetes-worker')): StatementObserver {
  const duration = meter.createHistogram('kubernetes_worker.database.duration', {
    description: 'How long a statement took, the wait for a connection and retries after conflicts included',
    unit: 's',
    advice: { explicitBucketBoundaries: [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30] },
  });
  const statements = meter.createCounter('kubernetes_worker.database.statements', {
    valueType: ValueType.INT,
    description: 'Statements that have ended, by outcome',
    unit: '{statement}',
  });
  // A counter that appears only with its first event shows no increase for that event.
  for (const outcome of ['OK', 'REPOSITORY_UNAVAILABLE']) statements.add(0, { outcome });
  return (outcome, durationMs) => {
    duration.record(durationMs / 1000);
    statements.add(1, { outcome });
  };
}

/**
 * Records the pool that the library has opened for a URL as OpenTelemetry metrics.
 *
 * @param state - returns the present state
 * @param meter - the meter of the host's OpenTelemetry SDK
 */
export function poolMetrics(state: () => PoolState, meter: Meter = metrics.getMeter('kubernetes-worker')): Disposable {
  const options = {
    valueType: ValueType.INT,
    description: 'Connections of the pool by state: used, idle, limit; waiting: statements that wait for one',
    unit: '{connection}',
  };
  return observableGauge(meter, 'kubernetes_worker.database.connections', options, (result) => {
    for (const [name, count] of Object.entries<number>({ ...state() })) result.observe(count, { state: name });
  });
}
