import { type Meter, metrics, ValueType } from '@opentelemetry/api';

import { observableGauge } from './observable-gauge.ts';

/** The places of each use of connections, by the name of the use and the state. */
export type ConnectionPlaces = Readonly<Record<string, Readonly<Record<'used' | 'waiting' | 'limit', number>>>>;

/**
 * Records the places of connections to pods as OpenTelemetry metrics, which `docs/metrics.md` lists.
 *
 * @param places - returns the present places
 * @param meter - the meter of the host's OpenTelemetry SDK
 */
export function connectionMetrics(
  places: () => ConnectionPlaces,
  meter: Meter = metrics.getMeter('kubernetes-worker'),
): Disposable {
  const options = {
    valueType: ValueType.INT,
    description: 'Places of connections to pods by use and state: used, limit; waiting: calls that wait for a place',
    unit: '{connection}',
  };
  return observableGauge(meter, 'kubernetes_worker.connections', options, (result) => {
    for (const [use, states] of Object.entries(places()))
      for (const [state, count] of Object.entries(states)) result.observe(count, { use, state });
  });
}
