import type { AbortOptions } from '../runtime/options.ts';
import type { Operation, SpanFacts } from './semconv.ts';

/** Begins spans that have one parent. */
export interface Spans {
  /** Runs work in a span, which is active meanwhile. The signal is that of the work. */
  span<T>(
    operation: Operation,
    facts: SpanFacts,
    work: (span: OpenSpan) => Promise<T>,
    options?: AbortOptions,
  ): Promise<T>;
  /** Begins a span that does not end with a promise. */
  begin(operation: Operation, facts?: SpanFacts): OpenSpan;
}

/** A span that has begun, and the parent of further ones. The code that ends the work ends the span. */
export interface OpenSpan extends Spans {
  /** Runs work while this span is active. */
  within<T>(work: () => T): T;
  set(facts: SpanFacts): void;
  /** Ends the span as successful. Later ends have no effect. */
  end(): void;
  /** Ends the span with an error, or as cancelled if the signal has aborted. */
  fail(error: unknown, options?: AbortOptions): void;
  /**
   * Returns the trace context as entries of an environment: `TRACEPARENT=…`, and `TRACESTATE=…` if
   * there is one. Empty without a trace.
   */
  environment(): readonly string[];
}

/**
 * Records what the library does as spans, and their durations and outcomes as metrics. The parent of
 * a span is the caller's active span.
 */
export interface Tracing extends Spans {
  /** Runs work, such as a loop, outside of the caller's span: its spans have no parent. */
  apart<T>(work: () => T): T;
}
