import { expect } from 'chai';

import { ForbiddenError, TooManyRequestsError, UnauthorizedError } from '../../../src/errors/cluster.ts';
import { ExecHandshakeFailedError } from '../../../src/errors/connection.ts';
import { handshakeError, handshakeFailure, isTemporaryRefusal } from '../../../src/exec/handshake-failure.ts';

const url = 'wss://host/api/v1/namespaces/ci/pods/p/exec?command=secret';

function answer(status: number, body: string | object, retryAfter?: string): Error {
  return handshakeFailure({ status, body: typeof body === 'string' ? body : JSON.stringify(body), retryAfter }, url);
}

function status(reason: string, message: string): object {
  return { kind: 'Status', status: 'Failure', reason, message };
}

describe('handshakeFailure', () => {
  it('returns UnauthorizedError for 401', () => {
    const error = answer(401, status('Unauthorized', 'Unauthorized'));
    expect(error).to.be.instanceOf(UnauthorizedError);
    expect(error).to.include({ verb: 'create', resource: 'pods/exec', namespace: 'ci' });
  });

  it('returns the missing permission for 403', () => {
    const error = answer(
      403,
      status('Forbidden', 'pods "p" is forbidden: User "u" cannot create resource "pods/exec"'),
    );
    expect(error).to.be.instanceOf(ForbiddenError);
    expect(error.message).to.contain('verbs create and get on pods/exec');
  });

  it('returns the time of the next attempt for 429', () => {
    const error = answer(429, status('TooManyRequests', 'later'), '7');
    expect(error).to.be.instanceOf(TooManyRequestsError);
    expect(error).to.include({ retryAfterMs: 7000 });
    expect(answer(429, '', 'Wed, 21 Oct 2026 07:28:00 GMT')).to.include({ retryAfterMs: undefined });
  });

  const cases: readonly [string, number, string | object, boolean][] = [
    ['the pod does not exist', 404, status('NotFound', 'pods "p" not found'), false],
    ['the pod has no such container', 400, status('BadRequest', 'container x is not valid for pod p'), false],
    ['the pod has no node yet', 400, status('BadRequest', 'pod p does not have a host assigned'), true],
    ['the container does not exist yet', 500, 'container not found ("main")', true],
    ['the kubelet has not received the pod yet', 404, 'pod does not exist', true],
    ['the container is not running', 400, status('BadRequest', 'container "main" in pod "p" is not running'), true],
    ['the API server is overloaded', 503, '<html>\u0007<body>upstream</body></html>', true],
    [
      'the node cannot be reached',
      500,
      status('InternalError', 'error dialing backend: remote error: tls: internal error'),
      true,
    ],
    ['a proxy redirects', 302, '', false],
    ['a proxy answers with a page', 200, '<html>welcome</html>', false],
  ];
  for (const [name, code, body, retryable] of cases) {
    it(`is ${retryable ? 'retryable' : 'final'} if ${name}`, () => {
      const error = answer(code, body);
      expect(error).to.be.instanceOf(ExecHandshakeFailedError);
      expect(error).to.include({ retryable, status: code });
    });
  }

  it('quotes a page in short, without control characters, and never the query', () => {
    const error = answer(502, `<html>\n\u001b[31m${'x'.repeat(5000)}`);
    expect(error.message).to.have.length.below(300);
    expect(error.message).to.match(/\\n\\u\{1b\}/);
    expect(error.message).to.not.contain('secret');
  });

  it('is retryable without a connection, and final with a rejected certificate', () => {
    const refused = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
    const certificate = Object.assign(new Error('self-signed certificate'), { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
    expect(handshakeError(refused)).to.include({ retryable: true, cause: refused });
    expect(handshakeError(certificate)).to.include({ retryable: false, cause: certificate });
  });

  it('is final if the program is missing', () => {
    expect(isTemporaryRefusal(500, 'exec: "/x": stat /x: no such file or directory')).to.equal(false);
    expect(isTemporaryRefusal(500, 'exec format error')).to.equal(false);
  });
});
