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
  /** The lines of each level that were written until now. */
  readonly lines: Readonly<Record<LogLevel, number>>;
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
  const lines: Record<LogLevel, number> = { debug: 0, info: 0, warn: 0, error: 0 };
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
  const logAt =
    (level: LogLevel): Logger['info'] =>
    (message, fields = {}) => {
      if (log.isLevelEnabled(level)) lines[level] += 1;
      log[level](fields, message);
    };
  return {
    debug: logAt('debug'),
    info: logAt('info'),
    warn: logAt('warn'),
    error: logAt('error'),
    lines,
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
