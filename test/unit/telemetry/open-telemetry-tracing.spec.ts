import { type SpanContext, SpanStatusCode, type TraceState, trace } from '@opentelemetry/api';
import { expect } from 'chai';

import { LeaseLostError } from '../../../src/errors/repository.ts';
import { OpenTelemetryTracing } from '../../../src/telemetry/open-telemetry-tracing.ts';
import type { OperationObserver } from '../../../src/telemetry/operation-metrics.ts';
import { traceEnvironment } from '../../../src/telemetry/trace-environment.ts';
import { rejection } from '../../support/rejection.ts';
import { RecordedSpans } from '../../support/telemetry/recorded-spans.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

describe('OpenTelemetryTracing', () => {
  let spans: RecordedSpans;
  let clock: VirtualClock;
  let observed: unknown[];
  let tracing: OpenTelemetryTracing;

  beforeEach(() => {
    spans = new RecordedSpans();
    clock = new VirtualClock();
    observed = [];
    const operations: OperationObserver = {
      began: (operation) => void observed.push(operation),
      ended: (...end) => void observed.push(end),
    };
    tracing = new OpenTelemetryTracing({ clock, operations });
  });

  afterEach(async () => {
    await spans[Symbol.asyncDispose]();
  });

  it('runs work in a child of the active span, and ends it with the work', async () => {
    const result = await tracing.span('container.create', { workerName: 'w' }, async (span) => {
      span.set({ podName: 'p', image: undefined });
      await tracing.span('pod.create', {}, async () => await clock.advance(2_000));
      return 1;
    });
    expect(result).to.equal(1);
    expect(spans.tree()).to.deep.equal(['container.create', '  pod.create']);
    expect(spans.ended.map(({ name }) => name)).to.deep.equal(['pod.create', 'container.create']);
    expect(spans.ended[1]?.attributes).to.deep.equal({ 'kubernetes_worker.name': 'w', 'k8s.pod.name': 'p' });
    expect(observed).to.deep.equal([
      'container.create',
      'pod.create',
      ['pod.create', 'OK', 2_000],
      ['container.create', 'OK', 2_000],
    ]);
  });

  for (const [what, error, type, outcome] of [
    ['the code of an error of the library', new LeaseLostError('c'), 'KW_ERR_LEASE_LOST', 'LEASE_LOST'],
    ['the class of another error', new TypeError('has a secret'), 'TypeError', 'OTHER'],
  ] as const) {
    it(`has ${what}, and not its message`, async () => {
      await rejection(tracing.span('heartbeat', {}, () => Promise.reject(error)));
      const [{ attributes, status, events }] = spans.ended as [(typeof spans.ended)[0]];
      expect(attributes).to.deep.equal({ 'error.type': type });
      expect(status).to.deep.equal({ code: SpanStatusCode.ERROR, message: type });
      expect(events).to.deep.equal([]);
      expect(observed.at(-1)).to.deep.equal(['heartbeat', outcome, 0]);
    });
  }

  it('marks cancelled work, which is no error', async () => {
    const signal = AbortSignal.abort(new Error('enough'));
    await rejection(tracing.span('heartbeat', {}, async () => signal.throwIfAborted(), { signal }));
    expect(spans.ended[0]?.attributes).to.deep.equal({ 'kubernetes_worker.cancelled': true });
    expect(spans.ended[0]?.status.code).to.equal(SpanStatusCode.UNSET);
    expect(observed.at(-1)).to.deep.equal(['heartbeat', 'CANCELLED', 0]);
  });

  it('ends a span once', () => {
    const span = tracing.begin('process.run');
    span.fail(new LeaseLostError('c'));
    span.end();
    expect(observed).to.deep.equal(['process.run', ['process.run', 'LEASE_LOST', 0]]);
  });

  it('runs loops apart from the span that starts them', async () => {
    await trace.getTracer('host').startActiveSpan('open', async (open) => {
      await tracing.apart(async () => await tracing.span('heartbeat', {}, async () => undefined));
      open.end();
    });
    expect(spans.tree()).to.deep.equal(['open', 'heartbeat']);
  });
});

describe('traceEnvironment()', () => {
  const context: SpanContext = { traceId: '1'.repeat(32), spanId: '2'.repeat(16), traceFlags: 0 };

  it('has the context in the form of W3C', () => {
    const traceState = { serialize: () => 'a=1,b=2' } as unknown as TraceState;
    expect(traceEnvironment({ ...context, traceState })).to.deep.equal([
      `TRACEPARENT=00-${'1'.repeat(32)}-${'2'.repeat(16)}-00`,
      'TRACESTATE=a=1,b=2',
    ]);
    expect(traceEnvironment({ ...context, traceFlags: 1 })).to.deep.equal([
      `TRACEPARENT=00-${'1'.repeat(32)}-${'2'.repeat(16)}-01`,
    ]);
  });

  it('is empty without a trace', () => {
    expect(traceEnvironment({ ...context, traceId: '0'.repeat(32) })).to.deep.equal([]);
  });
});
