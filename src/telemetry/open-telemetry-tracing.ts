import {
  type Attributes,
  type Context,
  context,
  ROOT_CONTEXT,
  type Span,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api';

import { isKubernetesWorkerError } from '../errors/error-code.ts';
import type { AbortOptions, Clock } from '../runtime/options.ts';
import { type OperationObserver, operationMetrics } from './operation-metrics.ts';
import { outcomeOf } from './outcome.ts';
import { attribute, type Operation, type SpanFacts } from './semconv.ts';
import { traceEnvironment } from './trace-environment.ts';
import type { OpenSpan, Spans, Tracing } from './tracing.ts';

export interface TracingOptions {
  /** Measures durations for metrics. The SDK has a clock of its own for spans. */
  readonly clock: Pick<Clock, 'now'>;
  /** @defaultValue the metrics of the host's OpenTelemetry SDK */
  readonly operations?: OperationObserver;
  /** @defaultValue the tracer of the host's OpenTelemetry SDK */
  readonly tracer?: Tracer;
}

type Recording = Required<TracingOptions>;

/** Runs work in a span, and ends it with the work. */
abstract class RecordedSpans implements Spans {
  async span<T>(
    operation: Operation,
    facts: SpanFacts,
    work: (span: OpenSpan) => Promise<T>,
    options: AbortOptions = {},
  ): Promise<T> {
    const span = this.begin(operation, facts);
    try {
      const result = await span.within(() => work(span));
      span.end();
      return result;
    } catch (error) {
      span.fail(error, options);
      throw error;
    }
  }

  abstract begin(operation: Operation, facts?: SpanFacts): OpenSpan;
}

/** Records spans with the host's OpenTelemetry SDK. Without one nothing is recorded. */
export class OpenTelemetryTracing extends RecordedSpans implements Tracing {
  readonly #recording: Recording;

  constructor({
    clock,
    operations = operationMetrics(),
    tracer = trace.getTracer('kubernetes-worker'),
  }: TracingOptions) {
    super();
    this.#recording = { clock, operations, tracer };
  }

  begin(operation: Operation, facts: SpanFacts = {}): OpenSpan {
    return new RecordedSpan(this.#recording, operation, facts, context.active());
  }

  apart<T>(work: () => T): T {
    return context.with(ROOT_CONTEXT, work);
  }
}

class RecordedSpan extends RecordedSpans implements OpenSpan {
  readonly #recording: Recording;
  readonly #operation: Operation;
  readonly #span: Span;
  readonly #context: Context;
  readonly #startedAt: number;
  #hasEnded = false;

  constructor(recording: Recording, operation: Operation, facts: SpanFacts, parent: Context) {
    super();
    const { tracer, operations, clock } = recording;
    this.#recording = recording;
    this.#operation = operation;
    this.#span = tracer.startSpan(operation, { attributes: attributesOf(facts) }, parent);
    this.#context = trace.setSpan(parent, this.#span);
    this.#startedAt = clock.now();
    operations.began(operation);
  }

  within<T>(work: () => T): T {
    return context.with(this.#context, work);
  }

  begin(operation: Operation, facts: SpanFacts = {}): OpenSpan {
    return new RecordedSpan(this.#recording, operation, facts, this.#context);
  }

  set(facts: SpanFacts): void {
    this.#span.setAttributes(attributesOf(facts));
  }

  end(): void {
    this.#end('OK');
  }

  fail(error: unknown, options: AbortOptions = {}): void {
    const outcome = outcomeOf(error, options);
    if (outcome === 'CANCELLED') this.set({ cancelled: true });
    else {
      const errorType = typeOf(error);
      // Without the error's message, which may contain text of a pod or of a registry.
      this.#span.setStatus({ code: SpanStatusCode.ERROR, message: errorType });
      this.set({ errorType });
    }
    this.#end(outcome);
  }

  environment(): readonly string[] {
    return traceEnvironment(this.#span.spanContext());
  }

  #end(outcome: string): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#span.end();
    const { operations, clock } = this.#recording;
    operations.ended(this.#operation, outcome, clock.now() - this.#startedAt);
  }
}

function attributesOf(facts: SpanFacts): Attributes {
  const entries = Object.entries(facts) as [keyof SpanFacts, SpanFacts[keyof SpanFacts]][];
  return Object.fromEntries(entries.map(([fact, value]) => [attribute[fact], value]));
}

function typeOf(error: unknown): string {
  if (isKubernetesWorkerError(error)) return error.code;
  return error instanceof Error ? error.name : 'unknown';
}
