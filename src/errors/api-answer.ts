import { findCause } from './causes.ts';
import type { ApiCallFacts, ClusterError } from './cluster.ts';
import {
  AdmissionDeniedError,
  ApiError,
  ApiUnavailableError,
  ConflictError,
  ForbiddenError,
  QuotaExceededError,
  TooManyRequestsError,
  UnauthorizedError,
} from './cluster.ts';

/** The API server's response to a request that it has not served. */
export interface Refusal {
  readonly status: number;
  /** The message of Kubernetes' `Status`, or the beginning of any other response. */
  readonly message: string;
  /** The reason of Kubernetes' `Status`. */
  readonly reason?: string | undefined;
  readonly retryAfterMs?: number | undefined;
}

/** Returns the error for a refusal, by the table of causes. */
export function refusalError(refusal: Refusal, facts: ApiCallFacts, options?: ErrorOptions): ClusterError {
  const { status, message, reason, retryAfterMs } = refusal;
  switch (findCause('api', { ...refusal, verb: facts.verb })?.code) {
    case 'KW_ERR_UNAUTHORIZED':
      return new UnauthorizedError(facts, message, options);
    case 'KW_ERR_QUOTA_EXCEEDED':
      return new QuotaExceededError(facts, message, options);
    case 'KW_ERR_ADMISSION_DENIED':
      return new AdmissionDeniedError(facts, message, options);
    case 'KW_ERR_FORBIDDEN':
      return new ForbiddenError(facts, message, options);
    case 'KW_ERR_CONFLICT':
      return new ConflictError(facts, message, options);
    case 'KW_ERR_TOO_MANY_REQUESTS':
      return new TooManyRequestsError(facts, retryAfterMs, options);
    case 'KW_ERR_API_UNAVAILABLE':
      return new ApiUnavailableError(facts, message, status, options);
    default:
      return new ApiError(facts, message, { status, reason }, options);
  }
}
