import type { ResourceMetrics } from '@opentelemetry/sdk-metrics';

/** How Prometheus names the units of OpenTelemetry. An annotation, such as `{attempt}`, has no suffix. */
const suffixes: ReadonlyMap<string, string> = new Map([
  ['s', 'seconds'],
  ['By', 'bytes'],
  ['1', 'ratio'],
]);

/** Instruments that Prometheus' conventions refuse under their name. They are exported by OTLP only. */
const otlpOnly = 'cicd.';

/** Returns the name that an instrument has in `/metrics`, without the suffix `_total` of counters. */
export function prometheusName(name: string, unit: string): string {
  const suffix = suffixes.get(unit);
  const plain = name.replaceAll(/[^A-Za-z0-9_]/g, '_');
  return suffix === undefined || plain.endsWith(`_${suffix}`) ? plain : `${plain}_${suffix}`;
}

/** Returns the metrics with the names that they have in `/metrics`. */
export function withPrometheusNames(collected: ResourceMetrics): ResourceMetrics {
  return {
    ...collected,
    scopeMetrics: collected.scopeMetrics.map((scope) => ({
      ...scope,
      metrics: scope.metrics
        .filter(({ descriptor }) => !descriptor.name.startsWith(otlpOnly))
        .map((metric) => {
          const { descriptor } = metric;
          const name = prometheusName(descriptor.name, descriptor.unit);
          // Without the unit, which the text format does not have.
          return { ...metric, descriptor: { ...descriptor, name, unit: '' } };
        }),
    })),
  };
}
