import { refusalError } from '../../errors/api-answer.ts';
import type { ApiCallFacts, ClusterError } from '../../errors/cluster.ts';
import { ApiUnavailableError } from '../../errors/cluster.ts';
import { parseRetryAfterMs } from '../../internal/retry-after.ts';
import { readStatusWords, type StatusWords } from '../../internal/status-words.ts';

/** A response of the API server that is not a success. */
export interface ApiAnswer {
  readonly status: number;
  /** A Kubernetes `Status` as JSON, or any other body. */
  readonly body: string;
  readonly retryAfter?: string | undefined;
}

const maxQuotedLength = 200;

/** Returns the error of a response. */
export function apiAnswerError(answer: ApiAnswer, facts: ApiCallFacts, options?: ErrorOptions): ClusterError {
  const { status, body, retryAfter } = answer;
  return refusalError({ status, ...readStatus(body), retryAfterMs: parseRetryAfterMs(retryAfter) }, facts, options);
}

/** Returns the error of a call without a response. Its message is that of the innermost cause. */
export function noAnswerError(error: unknown, facts: ApiCallFacts): ApiUnavailableError {
  return new ApiUnavailableError(facts, describeCause(error), undefined, { cause: error });
}

/**
 * Returns whether the request certainly did not reach the API server. Then even a call that must
 * not be executed twice may be retried.
 */
export function neverArrived(error: unknown): boolean {
  return causesOf(error).some((cause) =>
    /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|UND_ERR_CONNECT_TIMEOUT)$/.test(codeOf(cause)),
  );
}

/**
 * Returns the message and the reason of a `Status`; of any other body the beginning, on one line.
 */
export function readStatus(body: string): StatusWords {
  const words = readStatusWords(body);
  if (words !== undefined) return words;
  const text = body.trim().replace(/[\p{Cc}\p{Cf}\s]+/gu, ' ');
  return { message: text === '' ? 'no body' : text.slice(0, maxQuotedLength), reason: undefined };
}

/** Returns the message of the innermost cause, because `fetch failed` has no detail. */
function describeCause(error: unknown): string {
  const causes = causesOf(error);
  const innermost = causes.at(-1);
  if (innermost === undefined) return String(error);
  return innermost.message !== '' ? innermost.message : codeOf(innermost) || innermost.name;
}

/**
 * Returns the error and its causes. Of several attempts, such as one for each address, it follows
 * the last.
 */
function causesOf(error: unknown): Error[] {
  const causes: Error[] = [];
  let next = error;
  while (next instanceof Error && causes.length < 10) {
    causes.push(next);
    next = next instanceof AggregateError ? next.errors.at(-1) : next.cause;
  }
  return causes;
}

function codeOf(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : '';
}
