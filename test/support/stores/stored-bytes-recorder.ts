import { metrics } from '@opentelemetry/api';
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';

/**
 * Reads the library's metric of bytes that were written to archive stores. The workers to measure are
 * opened after its start.
 */
export class StoredBytesRecorder {
  readonly #exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  readonly #provider = new MeterProvider({
    readers: [new PeriodicExportingMetricReader({ exporter: this.#exporter })],
  });

  constructor() {
    metrics.setGlobalMeterProvider(this.#provider);
  }

  /** Returns the number of bytes since the start. */
  async total(): Promise<number> {
    await this.#provider.forceFlush();
    const exported = this.#exporter.getMetrics().at(-1)?.scopeMetrics ?? [];
    let sum = 0;
    for (const { descriptor, dataPoints } of exported.flatMap((scope) => scope.metrics))
      for (const { attributes, value } of descriptor.name === 'kubernetes_worker.archive.bytes' ? dataPoints : [])
        if (attributes['direction'] === 'in') sum += Number(value);
    return sum;
  }

  async close(): Promise<void> {
    await this.#provider.shutdown();
    metrics.disable();
  }
}
