import type { KubernetesWorkerError } from '../errors/base.ts';
import type { ApiCallFacts } from '../errors/cluster.ts';
import { ForbiddenError, TooManyRequestsError, UnauthorizedError } from '../errors/cluster.ts';
import { ExecHandshakeFailedError } from '../errors/connection.ts';
import { parseRetryAfterMs } from '../internal/retry-after.ts';
import { quote } from './quote.ts';

/** An answer that isn't the switch that was asked for. */
export interface HandshakeAnswer {
  readonly status: number;
  readonly body: string;
  readonly retryAfter?: string | undefined;
  readonly location?: string | undefined;
}

/** The error that an HTTP answer to an exec request means. */
export function handshakeFailure(answer: HandshakeAnswer, url: string): KubernetesWorkerError {
  const { status } = answer;
  const { message, reason } = readStatus(answer.body) ?? { message: quote(answer.body.trim()) || 'no body', reason: undefined };
  const facts = callFacts(url);
  if (status === 401) return new UnauthorizedError(facts, message);
  if (status === 403) return new ForbiddenError(facts, message);
  if (status === 429) return new TooManyRequestsError(facts, parseRetryAfterMs(answer.retryAfter));
  const detail = status >= 300 && status < 400 ? `redirects are not followed (to ${quote(answer.location ?? 'nowhere')})` : message;
  const retryable = isTemporaryRefusal(status, message);
  return new ExecHandshakeFailedError(`HTTP ${status}${reason === undefined ? '' : ` ${reason}`}: ${detail}`, { status, reason, retryable });
}

/**
 * The error that a handshake means which failed without an answer: no connection, no TLS.
 */
export function handshakeError(error: Error): KubernetesWorkerError {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  const detail = quote(error.message === '' ? code : error.message);
  return new ExecHandshakeFailedError(detail, { retryable: !isPermanentCode(code) }, { cause: error });
}

/** "pod does not exist" is the kubelet's, which has not heard of it yet; the API server would have said that it is not found. */
const notUp = /container not found|^pod does not exist|does not have a host assigned|is not running|in CONTAINER_\w+ state/i;
const missingProgram = /no such file or directory|executable file not found|permission denied|exec format error/i;

/** Whether somebody who knows the container has said it; the kubelet says it in plain words. */
export function isOfContainer(message: string): boolean {
  return notUp.test(message) || missingProgram.test(message);
}

/**
 * Whether the same exec may be taken later. Kubernetes has no structured word for most of this: whether a container isn't up yet or its program is
 * missing is only in the sentence.
 */
export function isTemporaryRefusal(status: number | undefined, message: string): boolean {
  if (notUp.test(message)) return true;
  if (missingProgram.test(message)) return false;
  return status === undefined || status === 408 || status >= 500;
}

/** A certificate that isn't accepted, or an address or a header that isn't one, stays so. */
function isPermanentCode(code: string): boolean {
  return /^(CERT_|ERR_TLS_|ERR_SSL_|ERR_INVALID_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_)/.test(code);
}

/** Kubernetes' own answer; undefined for a proxy's page, or plain text. */
export function readStatus(body: string): { readonly message: string; readonly reason: string | undefined } | undefined {
  try {
    const parsed: unknown = JSON.parse(body);
    if (typeof parsed === 'object' && parsed !== null && 'message' in parsed && typeof parsed.message === 'string') {
      const reason = 'reason' in parsed && typeof parsed.reason === 'string' && parsed.reason !== '' ? parsed.reason : undefined;
      return { message: quote(parsed.message, 1000), reason };
    }
  } catch {
    // Told by what is returned.
  }
  return undefined;
}

function callFacts(url: string): ApiCallFacts {
  const namespace = /\/namespaces\/([^/]+)\//.exec(url)?.[1] ?? '';
  return { verb: 'create', resource: 'pods/exec', namespace: decodeURIComponent(namespace) };
}
