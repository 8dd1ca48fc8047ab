import type { Meter, MetricOptions, ObservableResult } from '@opentelemetry/api';

/** Records what a callback observes at each collection. Dispose it to end that. */
export function observableGauge(
  meter: Meter,
  name: string,
  options: MetricOptions,
  observe: (result: ObservableResult) => void,
): Disposable {
  const gauge = meter.createObservableGauge(name, options);
  gauge.addCallback(observe);
  return { [Symbol.dispose]: () => gauge.removeCallback(observe) };
}
