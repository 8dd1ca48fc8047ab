import { type Meter, metrics, type ObservableResult, ValueType } from '@opentelemetry/api';

import type { ContainerResources } from './container-resources.ts';

/** What `serviceMetrics` measures. */
export interface MeasuredService {
  readonly readiness: () => {
    readonly ok: boolean;
    readonly checks: readonly { readonly name: string; readonly ok: boolean }[];
  };
  /** Lines of the log by level. */
  readonly logLines: () => Readonly<Record<string, number>>;
  /** Readings of a changed configuration by outcome. */
  readonly reloads: () => Readonly<Record<string, number>>;
  readonly resources: ContainerResources;
}

/**
 * Records the service as OpenTelemetry metrics, which `docs/metrics.md` lists. Call it after
 * `startTelemetry`.
 */
export function serviceMetrics(
  { readiness, logLines, reloads, resources }: MeasuredService,
  meter: Meter = metrics.getMeter('kubernetes-worker.process'),
): void {
  const whole = { valueType: ValueType.INT } as const;
  const ready = { ...whole, description: 'Whether the replica is ready: 1 or 0' };
  meter
    .createObservableGauge('kubernetes_worker.ready', ready)
    .addCallback((result) => result.observe(Number(readiness().ok)));
  const check = { ...whole, description: 'Whether the last run of a check of readiness has passed: 1 or 0' };
  meter.createObservableGauge('kubernetes_worker.check.passed', check).addCallback((result) => {
    for (const { name, ok } of readiness().checks) result.observe(Number(ok), { check: name });
  });
  const lines = { ...whole, description: 'Lines of the log, by level', unit: '{message}' };
  meter
    .createObservableCounter('kubernetes_worker.log.messages', lines)
    .addCallback((result) => observeAll(result, 'level', logLines()));
  const reload = { ...whole, description: 'Readings of a changed configuration, by outcome', unit: '{reload}' };
  meter
    .createObservableCounter('kubernetes_worker.config.reloads', reload)
    .addCallback((result) => observeAll(result, 'outcome', reloads()));
  const limit = { ...whole, description: 'Memory limit of the container; absent without one', unit: 'By' };
  meter.createObservableGauge('kubernetes_worker.memory.limit', limit).addCallback(async (result) => {
    observeKnown(result, await resources.memoryLimitBytes());
  });
  const throttled = { description: 'How long the container was kept from the CPU', unit: 's' };
  meter.createObservableCounter('kubernetes_worker.cpu.throttled', throttled).addCallback(async (result) => {
    observeKnown(result, await resources.throttledSeconds());
  });
}

function observeAll(result: ObservableResult, label: string, counts: Readonly<Record<string, number>>): void {
  for (const [name, count] of Object.entries(counts)) result.observe(count, { [label]: name });
}

function observeKnown(result: ObservableResult, value: number | undefined): void {
  if (value !== undefined) result.observe(value);
}
