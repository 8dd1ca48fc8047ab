import { refusalError } from '../errors/api-answer.ts';
import type { KubernetesWorkerError } from '../errors/base.ts';
import { findCause } from '../errors/causes.ts';
import type { ApiCallFacts } from '../errors/cluster.ts';
import { ExecHandshakeFailedError } from '../errors/connection.ts';
import { quote } from '../internal/quote.ts';
import { parseRetryAfterMs } from '../internal/retry-after.ts';
import { readStatusWords } from '../internal/status-words.ts';

/** An answer that isn't the switch that was asked for. */
export interface HandshakeAnswer {
  readonly status: number;
  readonly body: string;
  readonly retryAfter?: string | undefined;
  readonly location?: string | undefined;
}

/** Refusals that mean the same for every call of the API. */
const ofAnyCall = new Set([401, 403, 429]);

/** The error that an HTTP answer to an exec request means. */
export function handshakeFailure(answer: HandshakeAnswer, url: string): KubernetesWorkerError {
  const { status } = answer;
  const { message, reason } = readStatusWords(answer.body) ?? {
    message: quote(answer.body.trim()) || 'no body',
    reason: undefined,
  };
  if (ofAnyCall.has(status)) {
    return refusalError(
      { status, message, reason, retryAfterMs: parseRetryAfterMs(answer.retryAfter) },
      callFacts(url),
    );
  }
  const detail =
    status >= 300 && status < 400 ? `redirects are not followed (to ${quote(answer.location ?? 'nowhere')})` : message;
  const retryable = isTemporaryRefusal(status, message);
  return new ExecHandshakeFailedError(`HTTP ${status}${reason === undefined ? '' : ` ${reason}`}: ${detail}`, {
    status,
    reason,
    retryable,
  });
}

/**
 * The error that a handshake means which failed without an answer: no connection, no TLS.
 */
export function handshakeError(error: Error): KubernetesWorkerError {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  const detail = quote(error.message === '' ? code : error.message);
  return new ExecHandshakeFailedError(detail, { retryable: !isPermanentCode(code) }, { cause: error });
}

/** Whether the message is about the container or its node's runtime: the kubelet says so in plain words. */
export function isOfContainer(message: string): boolean {
  return findCause('exec', { message })?.words !== undefined;
}

/**
 * Whether the same exec may succeed later. Kubernetes has no structured word for most of this: only the sentence says
 * whether a container is not up yet or its program is missing.
 */
export function isTemporaryRefusal(status: number | undefined, message: string): boolean {
  return findCause('exec', { status, message })?.retryable === true;
}

/** A certificate that isn't accepted, or an address or a header that isn't one, stays so. */
function isPermanentCode(code: string): boolean {
  return /^(CERT_|ERR_TLS_|ERR_SSL_|ERR_INVALID_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_)/.test(code);
}

function callFacts(url: string): ApiCallFacts {
  const namespace = /\/namespaces\/([^/]+)\//.exec(url)?.[1] ?? '';
  return { verb: 'create', resource: 'pods/exec', namespace: decodeURIComponent(namespace) };
}
