import { expect } from 'chai';

import { serviceLogger } from '../../../../src/service/telemetry/logger.ts';
import type { LoggingConfig } from '../../../../src/service/telemetry/telemetry-config.ts';
import { OpenTelemetryTracing } from '../../../../src/telemetry/open-telemetry-tracing.ts';
import { RecordedSpans } from '../../../support/telemetry/recorded-spans.ts';

describe('serviceLogger()', () => {
  let lines: string[];

  beforeEach(() => {
    lines = [];
  });

  const loggerOf = (logging: Partial<LoggingConfig['logging']> = {}, secrets: readonly string[] = []) =>
    serviceLogger(
      { logging: { level: 'info', format: 'json', ...logging } },
      { write: (line: string) => lines.push(line) > 0 },
      secrets,
    );
  const last = () => JSON.parse(lines.at(-1) ?? '') as Record<string, unknown>;

  it('writes one JSON object a line, with the level as a word and the time of RFC 3339', () => {
    loggerOf().warn('pod lost', { podName: 'p', count: 2 });
    expect(lines).to.have.length(1);
    expect(lines[0]?.endsWith('}\n')).to.equal(true);
    const { time, ...rest } = last();
    expect(rest).to.deep.equal({ level: 'warn', message: 'pod lost', podName: 'p', count: 2 });
    expect(new Date(String(time)).toISOString()).to.equal(time);
  });

  it('writes an error as its code, message, causes and stack', () => {
    const cause = Object.assign(new Error('refused'), { code: 'ECONNREFUSED' });
    loggerOf().error('failed', { error: Object.assign(new Error('away', { cause }), { code: 'KW_ERR_X' }) });
    const { stack, ...error } = last()['error'] as Record<string, unknown>;
    expect(error).to.deep.equal({
      code: 'KW_ERR_X',
      message: 'away',
      cause: { code: 'ECONNREFUSED', message: 'refused' },
    });
    expect(stack)
      .to.be.a('string')
      .and.to.match(/^Error: away\n/);
  });

  it('ends at the fifth cause, also of an error that is its own cause', () => {
    const error = new Error('round');
    error.cause = error;
    loggerOf().error('failed', { error });
    expect(lines[0]?.match(/"message":"round"/g)).to.have.length(6);
  });

  it('omits messages below its level, which may change', () => {
    const logger = loggerOf();
    logger.debug('no');
    logger.setLevel('debug');
    logger.debug('yes');
    logger.setLevel('error');
    logger.warn('no');
    expect(lines.map((line) => (JSON.parse(line) as { message: string }).message)).to.deep.equal(['yes']);
    expect(logger.lines).to.deep.equal({ debug: 1, info: 0, warn: 0, error: 0 });
  });

  it('replaces secret fields, whatever their values', () => {
    loggerOf().info('m', { token: 'abc', database: { password: 'abc' } });
    expect(last()).to.deep.include({ token: '[redacted]', database: { password: '[redacted]' } });
  });

  it('replaces secrets by value, wherever they are', () => {
    const logger = loggerOf({}, ['pass"word', 'postgres://u:p%40ss%21@db/ci']);
    logger.hide('later-secret');
    logger.error('at postgres://u:p%40ss%21@db/ci', {
      field: 'x pass"word y',
      error: new Error('p@ss! or p%40ss%21 or later-secret'),
    });
    expect(lines[0]).not.to.match(/pass\\"word|p@ss!|p%40ss|later-secret/);
    expect(last()['message']).to.equal('at [redacted]');
    expect(last()['field']).to.equal('x [redacted] y');
  });

  it('replaces a secret that contains another one whole', () => {
    loggerOf({}, ['secret', 'secret-and-more']).info('secret-and-more secret');
    expect(last()['message']).to.equal('[redacted] [redacted]');
  });

  it('keeps text that a very short secret would replace', () => {
    loggerOf({}, ['a', '']).info('a message');
    expect(last()['message']).to.equal('a message');
  });

  it('has the IDs of the active span', async () => {
    await using spans = new RecordedSpans();
    const logger = loggerOf();
    await new OpenTelemetryTracing({ clock: { now: () => 0 } }).span('heartbeat', {}, async () => logger.info('m'));
    const { traceId, spanId } = spans.ended[0]!.spanContext();
    expect(last()).to.include({ trace_id: traceId, span_id: spanId });
  });

  it('writes lines for people, also without secrets', () => {
    loggerOf({ format: 'text' }, ['hidden']).info('pod created', { podName: 'p', note: 'hidden' });
    expect(lines[0]).to.match(/^\S+Z INFO {2}pod created podName="p" note="\[redacted\]"\n$/);
  });
});
