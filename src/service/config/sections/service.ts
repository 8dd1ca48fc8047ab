import { z } from 'zod';

import { durationMs, httpUrl, key, path, port, type Shape, section, text } from '../section.ts';

/** The passes of the reaper. */
export interface ReaperSection {
  readonly everyMs: number;
}

const reaper: Shape<ReaperSection> = {
  everyMs: key(durationMs.default(30_000), {
    description: 'How often a pass of the reaper runs. Of all replicas of a worker, one runs it.',
    example: 60_000,
  }),
};

export const reaperSection: z.ZodType<ReaperSection> = section(reaper);

/** The heartbeats of the worker. */
export interface RegistrarSection {
  readonly heartbeatEveryMs: number;
}

const registrar: Shape<RegistrarSection> = {
  heartbeatEveryMs: key(durationMs.default(15_000), {
    description:
      'How often the worker sends a heartbeat. A heartbeat expires after two periods and 15 seconds; then the worker ' +
      'is `stalled` until the next one.',
    example: 10_000,
  }),
};

export const registrarSection: z.ZodType<RegistrarSection> = section(registrar);

/** The status server. */
export interface StatusSection {
  readonly host: string;
  readonly port: number;
  readonly auth: 'none' | 'token' | 'tokenReview';
  readonly tokenFile?: string | undefined;
  readonly allowUnauthenticated: boolean;
}

const status: Shape<StatusSection> = {
  host: key(text.default('127.0.0.1'), {
    description: 'The address on which the status server listens. `0.0.0.0` and `::` are all addresses.',
    example: '0.0.0.0',
  }),
  port: key(port.default(9393), {
    description: 'The port of the status server. With 0, the system chooses one.',
    example: 8080,
  }),
  auth: key(z.enum(['none', 'token', 'tokenReview']).default('none'), {
    description:
      'How requests to the API prove their right: not at all, by the token of `status.tokenFile`, or by a token of a ' +
      'service account that Kubernetes confirms.',
    example: 'tokenReview',
  }),
  tokenFile: key(path.optional(), {
    description: 'The path of a file with the bearer token for `status.auth: token`.',
    example: '/run/secrets/status/token',
    unset: 'none',
  }),
  allowUnauthenticated: key(z.boolean().default(false), {
    description: 'Whether `status.auth` may be `none` on an address beyond loopback.',
    example: true,
  }),
};

export const statusSection: z.ZodType<StatusSection> = section(status);

/** The server of metrics. */
export interface MetricsSection {
  readonly host: string;
  readonly port: number;
}

const metrics: Shape<MetricsSection> = {
  host: key(text.default('127.0.0.1'), {
    description: 'The address on which the metrics are served. `0.0.0.0` and `::` are all addresses.',
    example: '0.0.0.0',
  }),
  port: key(port.default(9394), {
    description: 'The port of the metrics. With 0, the system chooses one.',
    example: 9100,
  }),
};

export const metricsSection: z.ZodType<MetricsSection> = section(metrics);

/** What the service exports by the protocol of OpenTelemetry. */
export interface TelemetrySection {
  readonly otlp: OtlpSection;
  readonly traces?: boolean | undefined;
}

/** The receiver of OpenTelemetry. */
export interface OtlpSection {
  readonly endpoint?: string | undefined;
  readonly headersFile?: string | undefined;
}

const otlp: Shape<OtlpSection> = {
  endpoint: key(httpUrl.optional(), {
    description: 'The URL of a receiver of OTLP over HTTP, without `/v1/traces` or `/v1/metrics`.',
    example: 'http://otel-collector.monitoring:4318',
    unset: 'nothing is exported',
  }),
  headersFile: key(path.optional(), {
    description: 'The path of a file with headers of the requests, such as a token: one `name: value` a line.',
    example: '/run/secrets/otlp/headers',
    unset: 'no further headers',
  }),
};

const telemetry: Shape<TelemetrySection> = {
  otlp: section(otlp),
  traces: key(z.boolean().optional(), {
    description: 'Whether traces are exported. `true` requires `telemetry.otlp.endpoint`.',
    example: false,
    unset: 'true if `telemetry.otlp.endpoint` has a value',
  }),
};

export const telemetrySection: z.ZodType<TelemetrySection> = section(telemetry);

/** The logs of the service. */
export interface LoggingSection {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly format: 'json' | 'text';
}

const logging: Shape<LoggingSection> = {
  level: key(z.enum(['debug', 'info', 'warn', 'error']).default('info'), {
    description: 'The lowest level of the messages that are logged.',
    example: 'debug',
    reload: 'live',
  }),
  format: key(z.enum(['json', 'text']).default('json'), {
    description: 'The form of the messages: one JSON object a line, or text for people.',
    example: 'text',
  }),
};

export const loggingSection: z.ZodType<LoggingSection> = section(logging);

/** The end of the service. */
export interface ShutdownSection {
  readonly graceMs: number;
}

const shutdown: Shape<ShutdownSection> = {
  graceMs: key(durationMs.default(45_000), {
    description:
      'How long transfers may continue after SIGTERM. The termination grace period of the pod is at least 15 seconds ' +
      'longer.',
    example: 20_000,
    reload: 'live',
  }),
};

export const shutdownSection: z.ZodType<ShutdownSection> = section(shutdown);
