import { expect } from 'chai';

import {
  ApiError,
  ApiUnavailableError,
  ConflictError,
  ForbiddenError,
  TooManyRequestsError,
  UnauthorizedError,
} from '../../../src/errors/cluster.ts';
import { apiAnswerError, neverArrived, noAnswerError, readStatus } from '../../../src/kubernetes/api/api-error.ts';

const facts = { verb: 'create', resource: 'pods', namespace: 'ci' };

function answer(status: number, body = '{"message":"words","reason":"Word"}', retryAfter?: string): Error {
  return apiAnswerError({ status, body, retryAfter }, facts);
}

describe('apiAnswerError', () => {
  const cases = [
    [401, UnauthorizedError, false],
    [403, ForbiddenError, false],
    [409, ConflictError, false],
    [429, TooManyRequestsError, true],
    [408, ApiUnavailableError, true],
    [500, ApiUnavailableError, true],
    [502, ApiUnavailableError, true],
    [503, ApiUnavailableError, true],
    [504, ApiUnavailableError, true],
    [400, ApiError, false],
    [404, ApiError, false],
    [410, ApiError, false],
    [422, ApiError, false],
  ] as const;
  for (const [status, type, retryable] of cases) {
    it(`returns ${retryable ? 'a retryable' : 'a final'} ${type.name} for ${String(status)}`, () => {
      expect(answer(status))
        .to.be.instanceOf(type)
        .and.include({ verb: 'create', resource: 'pods', namespace: 'ci', retryable });
    });
  }

  it('includes the message and the reason of the Status', () => {
    expect(answer(422)).to.include({
      status: 422,
      reason: 'Word',
      message: 'cannot create pods in namespace ci: the API server responded with 422 Word: words',
    });
  });

  it('names the missing permission', () => {
    expect(answer(403).message).to.contain('a Role with verb create on pods');
  });

  it('includes Retry-After', () => {
    expect(answer(429, '', '3')).to.include({ retryAfterMs: 3000 });
    expect(answer(429, '')).to.include({ retryAfterMs: undefined });
  });

  it('quotes a proxy page in one short line', () => {
    expect(readStatus(`<html>\n\t\u001b[1m<b>Bad</b> ${'x'.repeat(1000)}`).message)
      .to.match(/^<html> \[1m<b>Bad<\/b> x+$/)
      .and.have.length(200);
    expect(readStatus('')).to.deep.equal({ message: 'no body', reason: undefined });
    expect(readStatus('{"message":5}').reason).to.equal(undefined);
  });
});

describe('noAnswerError', () => {
  const refused = Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:6443'), { code: 'ECONNREFUSED' });

  it('returns ApiUnavailableError with the message of the innermost cause', () => {
    const thrown = new TypeError('fetch failed', { cause: refused });
    expect(noAnswerError(thrown, facts)).to.include({
      message:
        'cannot create pods in namespace ci: API server unavailable (no response): connect ECONNREFUSED 127.0.0.1:6443',
      retryable: true,
      cause: thrown,
    });
  });

  it('uses the last of several attempts, and the code of an error without a message', () => {
    expect(
      noAnswerError(new TypeError('fetch failed', { cause: new AggregateError([new Error('first'), refused]) }), facts)
        .message,
    ).to.contain('ECONNREFUSED');
    expect(noAnswerError(Object.assign(new Error(''), { code: 'EPIPE' }), facts).message).to.contain('EPIPE');
    expect(noAnswerError('odd', facts).message).to.contain('odd');
  });

  it('counts only a failed connection as a request that never arrived', () => {
    expect(neverArrived(new TypeError('fetch failed', { cause: refused }))).to.equal(true);
    expect(neverArrived(Object.assign(new Error('getaddrinfo'), { code: 'ENOTFOUND' }))).to.equal(true);
    expect(
      neverArrived(new TypeError('fetch failed', { cause: Object.assign(new Error('reset'), { code: 'ECONNRESET' }) })),
    ).to.equal(false);
    expect(neverArrived(new Error('other'))).to.equal(false);
  });

  it('stops at a cycle of causes', () => {
    const circle = new Error('round');
    circle.cause = circle;
    expect(noAnswerError(circle, facts).message).to.contain('round');
  });
});
