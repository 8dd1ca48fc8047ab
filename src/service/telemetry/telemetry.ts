import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';

import { context, metrics, trace } from '@opentelemetry/api';
import type { IMetricReader, MeterProvider } from '@opentelemetry/sdk-metrics';
import type { SpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { packageVersion } from '../package-version.ts';
import { optionalPackage } from './optional-package.ts';
import { type OtlpExport, otlpExport } from './otlp.ts';
import { processMetrics, thisProcess } from './process-metrics.ts';
import { withPrometheusNames } from './prometheus-names.ts';
import type { TelemetryConfig } from './telemetry-config.ts';

/** The metrics and traces of the service. Dispose it, or call `close`, once. */
export interface Telemetry extends AsyncDisposable {
  /** Resolves with all metrics in Prometheus' text format, version 0.0.4. */
  metricsText(): Promise<string>;
  /** Exports what is still pending. Resolves within `limitMs`, and never rejects. */
  flush(limitMs?: number): Promise<void>;
  /** Flushes, and releases everything. Resolves within `limitMs`, and never rejects. */
  close(limitMs?: number): Promise<void>;
}

/** The content type of `metricsText`. */
export const metricsContentType = 'text/plain; version=0.0.4; charset=utf-8';

const flushMs = 5_000;
/** No instrument has more series. Further ones are counted together, with `otel_metric_overflow`. */
const maxSeries = 200;

/**
 * Starts the SDKs, and registers them as those of this process. Call it before the first worker is
 * opened, because a worker records where the process records when it is opened. Without
 * `telemetry.otlp.endpoint` nothing leaves the process.
 *
 * @throws MissingPackageError - an optional package is not installed
 */
export async function startTelemetry(config: TelemetryConfig): Promise<Telemetry> {
  const purpose = 'metrics.port';
  const [sdk, prometheus, { RuntimeNodeInstrumentation }] = await Promise.all([
    optionalPackage('@opentelemetry/sdk-metrics', purpose, () => import('@opentelemetry/sdk-metrics')),
    optionalPackage('@opentelemetry/exporter-prometheus', purpose, () => import('@opentelemetry/exporter-prometheus')),
    optionalPackage(
      '@opentelemetry/instrumentation-runtime-node',
      purpose,
      () => import('@opentelemetry/instrumentation-runtime-node'),
    ),
  ]);
  const otlp = await otlpExport(config.telemetry);
  const version = packageVersion();
  const resource = await resourceOf(config, version);
  const scraped = new prometheus.PrometheusExporter({ preventServerStart: true });
  const readers: IMetricReader[] = otlp === undefined ? [scraped] : [scraped, otlp.reader];
  const views = [{ instrumentName: '*', aggregationCardinalityLimit: maxSeries }];
  const meters = new sdk.MeterProvider({ resource, readers, views });
  const tracers = await tracersOf(otlp, resource);
  metrics.setGlobalMeterProvider(meters);
  processMetrics(meters.getMeter('kubernetes-worker.process'), thisProcess(version));
  const runtime = new RuntimeNodeInstrumentation({ enabled: false });
  runtime.setMeterProvider(meters);
  runtime.enable();
  const serializer = new prometheus.PrometheusSerializer('', false, undefined, true, true);
  return newTelemetry({
    meters,
    tracers,
    metricsText: async () => serializer.serialize(withPrometheusNames((await scraped.collect()).resourceMetrics)),
    stop: () => runtime.disable(),
  });
}

interface TelemetryParts {
  readonly meters: MeterProvider;
  readonly tracers: TracerProvider | undefined;
  readonly metricsText: () => Promise<string>;
  readonly stop: () => void;
}

function newTelemetry({ meters, tracers, metricsText, stop }: TelemetryParts): Telemetry {
  let closing: Promise<void> | undefined;
  const close = async (limitMs: number): Promise<void> => {
    stop();
    await within(limitMs, [meters.shutdown(), tracers?.shutdown() ?? Promise.resolve()]);
    metrics.disable();
    if (tracers === undefined) return;
    trace.disable();
    context.disable();
  };
  const closeOnce = (limitMs = flushMs): Promise<void> => (closing ??= close(limitMs));
  return {
    metricsText,
    flush: (limitMs = flushMs) => within(limitMs, [meters.forceFlush(), tracers?.forceFlush() ?? Promise.resolve()]),
    close: closeOnce,
    [Symbol.asyncDispose]: () => closeOnce(),
  };
}

/** Waits for all work up to the limit. Failures of an export are no failures of the service. */
async function within(limitMs: number, work: readonly Promise<void>[]): Promise<void> {
  const late = Promise.withResolvers<void>();
  const timer = setTimeout(late.resolve, limitMs);
  await Promise.race([Promise.allSettled(work), late.promise]);
  clearTimeout(timer);
}

type Resource = Awaited<ReturnType<typeof resourceOf>>;

async function resourceOf({ worker: { name, namespace } }: TelemetryConfig, version: string) {
  const { defaultResource, envDetector, detectResources, resourceFromAttributes } = await optionalPackage(
    '@opentelemetry/resources',
    'metrics.port',
    () => import('@opentelemetry/resources'),
  );
  const own = resourceFromAttributes({
    'service.name': 'kubernetes-worker',
    'service.version': version,
    'service.instance.id': randomUUID(),
    'host.name': hostname(),
    'kubernetes_worker.name': name,
    ...(namespace === undefined ? {} : { 'k8s.namespace.name': namespace }),
  });
  // The operator's own attributes, of `OTEL_RESOURCE_ATTRIBUTES`, take precedence.
  return defaultResource()
    .merge(own)
    .merge(detectResources({ detectors: [envDetector] }));
}

/** Registers a provider of tracers, and the context in which spans find their parent. */
async function tracersOf(otlp: OtlpExport | undefined, resource: Resource): Promise<TracerProvider | undefined> {
  const processor: SpanProcessor | undefined = otlp?.processor;
  if (processor === undefined) return undefined;
  const purpose = 'telemetry.otlp.endpoint';
  const [{ TracerProvider }, { AsyncLocalStorageContextManager }] = await Promise.all([
    optionalPackage('@opentelemetry/sdk-trace', purpose, () => import('@opentelemetry/sdk-trace')),
    optionalPackage('@opentelemetry/context-async-hooks', purpose, () => import('@opentelemetry/context-async-hooks')),
  ]);
  const tracers = new TracerProvider({ resource, spanProcessors: [processor] });
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  trace.setGlobalTracerProvider(tracers);
  return tracers;
}
