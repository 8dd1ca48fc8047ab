import { isSpanContextValid, type SpanContext } from '@opentelemetry/api';

/** Returns a trace context of W3C as entries of an environment. Empty without a valid context. */
export function traceEnvironment(context: SpanContext): readonly string[] {
  if (!isSpanContextValid(context)) return [];
  const { traceId, spanId, traceFlags, traceState } = context;
  const flags = traceFlags.toString(16).padStart(2, '0');
  const state = traceState?.serialize() ?? '';
  return [`TRACEPARENT=00-${traceId}-${spanId}-${flags}`, ...(state === '' ? [] : [`TRACESTATE=${state}`])];
}
