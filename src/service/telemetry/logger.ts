import type { Writable } from 'node:stream';

import { trace } from '@opentelemetry/api';
import { pino } from 'pino';

import type { Logger } from '../../index.ts';
import { errorFields } from './error-fields.ts';
import { Redaction } from './redaction.ts';
import type { LoggingConfig, LogLevel } from './telemetry-config.ts';
import { textLine } from './text-line.ts';

/** The log of the service. */
export interface ServiceLogger extends Logger {
  /** Changes the level from now on. */
  setLevel(level: LogLevel): void;
  /** Replaces this value in every later line. A URL's password is replaced as well. */
  hide(secret: string): void;
}

/** Fields whose values are replaced whatever they are, at the top and one level below. */
const secretFields = ['password', 'token', 'secret', 'authorization', 'accessKeyId', 'secretAccessKey', 'sessionToken'];
const redactedPaths = secretFields.flatMap((name) => [name, `*.${name}`]);

/**
 * Returns a log of one JSON object a line: `level` as a word, `time` as RFC 3339, `message`, the
 * fields, and the trace of the active span. Lines are written before the call returns. Values of
 * secret fields and the given secrets are replaced by `[redacted]`.
 *
 * @param stdout - where lines are written
 * @param secrets - values that no line may contain
 */
export function serviceLogger(
  { logging: { level, format } }: LoggingConfig,
  stdout: Pick<Writable, 'write'>,
  secrets: Iterable<string> = [],
): ServiceLogger {
  const redaction = new Redaction(secrets);
  const write = (line: string): void => {
    const redacted = redaction.apply(line);
    stdout.write(format === 'json' ? redacted : textLine(redacted));
  };
  const log = pino(
    {
      level,
      base: null,
      messageKey: 'message',
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }), log: errorFields },
      mixin: traceOfActiveSpan,
      redact: { paths: redactedPaths, censor: '[redacted]' },
    },
    { write },
  );
  return {
    debug: (message, fields = {}) => log.debug(fields, message),
    info: (message, fields = {}) => log.info(fields, message),
    warn: (message, fields = {}) => log.warn(fields, message),
    error: (message, fields = {}) => log.error(fields, message),
    setLevel: (next) => {
      log.level = next;
    },
    hide: (secret) => redaction.add(secret),
  };
}

function traceOfActiveSpan(): object {
  const span = trace.getActiveSpan()?.spanContext();
  return span === undefined ? {} : { trace_id: span.traceId, span_id: span.spanId };
}
