import { refusalError } from '../errors/api-answer.ts';
import type { KubernetesWorkerError } from '../errors/base.ts';
import { findCause } from '../errors/causes.ts';
import type { ApiCallFacts } from '../errors/cluster.ts';
import { ExecHandshakeFailedError } from '../errors/connection.ts';
import { quote } from '../internal/quote.ts';
import { parseRetryAfterMs } from '../internal/retry-after.ts';
import { readStatusWords } from '../internal/status-words.ts';

/** An HTTP answer that does not switch protocols. */
export interface HandshakeAnswer {
  readonly status: number;
  readonly body: string;
  readonly retryAfter?: string | undefined;
  readonly location?: string | undefined;
}

/** Statuses that mean the same for every call of the API. */
const ofAnyCall = new Set([401, 403, 429]);

/** Returns the error for an HTTP answer to an exec request. */
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
 * Returns the error for a handshake that failed without an HTTP answer: no connection, no TLS, no
 * valid upgrade.
 */
export function handshakeError(error: Error): KubernetesWorkerError {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  const detail = quote(error.message === '' ? code : error.message);
  return new ExecHandshakeFailedError(detail, { retryable: !isPermanentCode(code) }, { cause: error });
}

/**
 * Returns whether the message is about the container or its node's runtime, which the kubelet
 * reports as plain text.
 */
export function isOfContainer(message: string): boolean {
  return findCause('exec', { message })?.words !== undefined;
}

/**
 * Returns whether the same exec may succeed later. For most reasons Kubernetes has no structured
 * field: only the message distinguishes a container that is not up yet from a missing program.
 */
export function isTemporaryRefusal(status: number | undefined, message: string): boolean {
  return findCause('exec', { status, message })?.retryable === true;
}

/** A rejected certificate and an invalid address or header are permanent. */
function isPermanentCode(code: string): boolean {
  return /^(CERT_|ERR_TLS_|ERR_SSL_|ERR_INVALID_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_)/.test(code);
}

function callFacts(url: string): ApiCallFacts {
  const namespace = /\/namespaces\/([^/]+)\//.exec(url)?.[1] ?? '';
  return { verb: 'create', resource: 'pods/exec', namespace: decodeURIComponent(namespace) };
}
