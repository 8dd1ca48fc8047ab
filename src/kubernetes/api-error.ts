import type { ApiCallFacts, ClusterError } from '../errors/cluster.ts';
import { ApiError, ApiUnavailableError, ConflictError, ForbiddenError, TooManyRequestsError, UnauthorizedError } from '../errors/cluster.ts';
import { parseRetryAfterMs } from '../internal/retry-after.ts';

/** An answer of the API server that isn't a success. */
export interface ApiAnswer {
  readonly status: number;
  /** Kubernetes' `Status` as JSON, or whatever came instead of it. */
  readonly body: string;
  readonly retryAfter?: string | undefined;
}

/** What a `Status` says. */
export interface StatusWords {
  readonly message: string;
  readonly reason: string | undefined;
}

const maxQuotedLength = 200;

/** The error that an answer means. */
export function apiAnswerError(answer: ApiAnswer, facts: ApiCallFacts, options?: ErrorOptions): ClusterError {
  const { status } = answer;
  const { message, reason } = readStatus(answer.body);
  if (status === 401) return new UnauthorizedError(facts, message, options);
  if (status === 403) return new ForbiddenError(facts, message, options);
  if (status === 409) return new ConflictError(facts, message, options);
  if (status === 429) return new TooManyRequestsError(facts, parseRetryAfterMs(answer.retryAfter), options);
  if (status === 408 || status >= 500) return new ApiUnavailableError(facts, message, status, options);
  return new ApiError(facts, message, { status, reason }, options);
}

/** The error of a call that no answer came to; it says why in the words of the innermost cause. */
export function noAnswerError(error: unknown, facts: ApiCallFacts): ApiUnavailableError {
  return new ApiUnavailableError(facts, describeCause(error), undefined, { cause: error });
}

/** Whether the request surely never reached the API server, so that even a call which must not happen twice may be made again. */
export function neverArrived(error: unknown): boolean {
  return causesOf(error).some((cause) => /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|UND_ERR_CONNECT_TIMEOUT)$/.test(codeOf(cause)));
}

/** Kubernetes' own sentence and word; of any other body the beginning, on one line. */
export function readStatus(body: string): StatusWords {
  try {
    const parsed: unknown = JSON.parse(body);
    if (typeof parsed === 'object' && parsed !== null && 'message' in parsed && typeof parsed.message === 'string') {
      const reason = 'reason' in parsed && typeof parsed.reason === 'string' && parsed.reason !== '' ? parsed.reason : undefined;
      return { message: parsed.message, reason };
    }
  } catch {
    // Not Kubernetes' own answer: a proxy's page, or nothing.
  }
  const text = body.trim().replace(/[\p{Cc}\p{Cf}\s]+/gu, ' ');
  return { message: text === '' ? 'no body' : text.slice(0, maxQuotedLength), reason: undefined };
}

/** `fetch failed` says nothing; what is below it does. */
function describeCause(error: unknown): string {
  const causes = causesOf(error);
  const innermost = causes.at(-1);
  if (innermost === undefined) return String(error);
  return innermost.message !== '' ? innermost.message : codeOf(innermost) || innermost.name;
}

/** The error and what is below it; of several attempts, like one for each address, the last. */
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
