import { context, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import type { ReadableSpan, Span, SpanProcessor } from '@opentelemetry/sdk-trace';
import { TracerProvider } from '@opentelemetry/sdk-trace';

/** The SDK of a host, which keeps all spans in memory. Dispose it to remove it from the process. */
export class RecordedSpans implements SpanProcessor, AsyncDisposable {
  readonly started: Span[] = [];
  readonly ended: ReadableSpan[] = [];
  readonly #provider = new TracerProvider({ spanProcessors: [this] });

  constructor() {
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
    trace.setGlobalTracerProvider(this.#provider);
  }

  onStart(span: Span): void {
    this.started.push(span);
  }

  onEnd(span: ReadableSpan): void {
    this.ended.push(span);
  }

  /** Returns the ended spans as lines, each indented below its parent, in the order of their starts. */
  tree(): readonly string[] {
    const lines: string[] = [];
    const ids = new Set(this.ended.map((span) => span.spanContext().spanId));
    const add = (parent: string | undefined, depth: number): void => {
      for (const span of this.started) {
        const { name, parentSpanContext } = span;
        const parentId = parentSpanContext?.spanId;
        const isChild = parent === undefined ? parentId === undefined || !ids.has(parentId) : parentId === parent;
        if (!isChild) continue;
        lines.push(`${'  '.repeat(depth)}${name}`);
        add(span.spanContext().spanId, depth + 1);
      }
    };
    add(undefined, 0);
    return lines;
  }

  async forceFlush(): Promise<void> {}
  async shutdown(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#provider.shutdown();
    trace.disable();
    context.disable();
  }
}
