import { readdir } from 'node:fs/promises';

import { type Meter, ValueType } from '@opentelemetry/api';

/** What `processMetrics` measures. */
export interface MeasuredProcess {
  readonly version: string;
  readonly nodeVersion: string;
  readonly memoryUsage: () => { readonly rss: number };
  /** CPU time in microseconds. */
  readonly cpuUsage: () => { readonly user: number; readonly system: number };
  /** The start, in milliseconds since the epoch. */
  readonly startedAtMs: number;
  /** Resolves with the number of open descriptors, or with `undefined` where that is not known. */
  readonly openDescriptors: () => Promise<number | undefined>;
}

/** Records the process with the names that Prometheus' own clients use. */
export function processMetrics(meter: Meter, measured: MeasuredProcess): void {
  const cpu = meter.createObservableCounter('process_cpu', { description: 'CPU time of the process', unit: 's' });
  cpu.addCallback((result) => {
    const { user, system } = measured.cpuUsage();
    result.observe((user + system) / 1e6);
  });
  gauge(meter, 'process_resident_memory', 'Resident memory of the process', 'By', () => measured.memoryUsage().rss);
  gauge(meter, 'process_start_time', 'Start of the process since the epoch', 's', () => measured.startedAtMs / 1000);
  gauge(meter, 'process_open_fds', 'Open file descriptors of the process', '{descriptor}', measured.openDescriptors);
  const { version, nodeVersion } = measured;
  const info = meter.createObservableGauge('kubernetes_worker.build_info', {
    valueType: ValueType.INT,
    description: 'Always 1; the labels have the versions of the package and of Node',
  });
  info.addCallback((result) => result.observe(1, { version, node: nodeVersion }));
}

function gauge(
  meter: Meter,
  name: string,
  description: string,
  unit: string,
  value: () => number | undefined | Promise<number | undefined>,
): void {
  meter.createObservableGauge(name, { description, unit }).addCallback(async (result) => {
    const measured = await value();
    if (measured !== undefined) result.observe(measured);
  });
}

/** Returns the process that runs this code. */
export function thisProcess(version: string): MeasuredProcess {
  return {
    version,
    nodeVersion: process.version,
    memoryUsage: () => process.memoryUsage(),
    cpuUsage: () => process.cpuUsage(),
    startedAtMs: Date.now() - process.uptime() * 1000,
    openDescriptors: async () =>
      await readdir('/proc/self/fd').then(
        ({ length }) => length,
        () => undefined,
      ),
  };
}
