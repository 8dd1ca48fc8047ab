import { readFile } from 'node:fs/promises';

import type { IMetricReader } from '@opentelemetry/sdk-metrics';
import type { SpanProcessor } from '@opentelemetry/sdk-trace';

import { optionalPackage } from './optional-package.ts';
import type { TelemetryConfig } from './telemetry-config.ts';

/** What exports to an OTLP receiver. */
export interface OtlpExport {
  readonly reader: IMetricReader;
  readonly processor: SpanProcessor | undefined;
}

const purpose = 'telemetry.otlp.endpoint';
/** How long one request of an export may take. A flush at the end waits no longer. */
const exportTimeoutMs = 5_000;
const metricsEveryMs = 30_000;

/** Loads the exporters, whose time to load only a service with a receiver spends. */
export async function otlpExport({
  otlp: { endpoint, headersFile },
  traces = true,
}: TelemetryConfig['telemetry']): Promise<OtlpExport | undefined> {
  if (endpoint === undefined) return undefined;
  const common = {
    timeoutMillis: exportTimeoutMs,
    ...(headersFile === undefined ? {} : { headers: () => headersOf(headersFile) }),
  };
  const url = (signal: string): string => `${endpoint.replace(/\/+$/, '')}/v1/${signal}`;
  const [{ PeriodicExportingMetricReader }, { OTLPMetricExporter }] = await Promise.all([
    optionalPackage('@opentelemetry/sdk-metrics', purpose, () => import('@opentelemetry/sdk-metrics')),
    optionalPackage(
      '@opentelemetry/exporter-metrics-otlp-proto',
      purpose,
      () => import('@opentelemetry/exporter-metrics-otlp-proto'),
    ),
  ]);
  const reader = new PeriodicExportingMetricReader({
    exporter: new OTLPMetricExporter({ ...common, url: url('metrics') }),
    exportIntervalMillis: metricsEveryMs,
    exportTimeoutMillis: exportTimeoutMs,
  });
  if (!traces) return { reader, processor: undefined };
  const [{ BatchSpanProcessor }, { OTLPTraceExporter }] = await Promise.all([
    optionalPackage('@opentelemetry/sdk-trace', purpose, () => import('@opentelemetry/sdk-trace')),
    optionalPackage(
      '@opentelemetry/exporter-trace-otlp-proto',
      purpose,
      () => import('@opentelemetry/exporter-trace-otlp-proto'),
    ),
  ]);
  const exporter = new OTLPTraceExporter({ ...common, url: url('traces') });
  return { reader, processor: new BatchSpanProcessor({ exporter, exportTimeoutMillis: exportTimeoutMs }) };
}

/** Reads the file at each export, so that credentials can be replaced. A factory must not throw. */
async function headersOf(file: string): Promise<Record<string, string>> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return parseHeaders(text);
}

/** Returns the headers of lines such as `authorization: Bearer …`. Skips lines without a name. */
export function parseHeaders(text: string): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':');
    const name = line.slice(0, Math.max(0, colon)).trim();
    if (name !== '' && !name.startsWith('#')) headers[name.toLowerCase()] = line.slice(colon + 1).trim();
  }
  return headers;
}
