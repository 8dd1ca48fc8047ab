import { KubernetesWorkerError } from './base.ts';

/**
 * Which call of the Kubernetes API an error is about.
 *
 * @public
 */
export interface ApiCallFacts {
  /** As RBAC names it: `create`, `get`, `list`, `watch`, `delete`. */
  readonly verb: string;
  /** As RBAC names it: `pods`, `pods/exec`, `configmaps`. */
  readonly resource: string;
  readonly namespace: string;
}

/**
 * What the errors about a call of the Kubernetes API have in common.
 *
 * @public
 */
export abstract class ClusterError extends KubernetesWorkerError {
  readonly verb: string;
  readonly resource: string;
  readonly namespace: string;

  constructor(what: string, facts: ApiCallFacts, retryable: boolean, options?: ErrorOptions) {
    super(`${facts.verb} ${facts.resource} in namespace ${facts.namespace}: ${what}`, retryable, options);
    this.verb = facts.verb;
    this.resource = facts.resource;
    this.namespace = facts.namespace;
  }
}

/**
 * The credentials for the cluster could not be obtained: a credential plug-in fails, does not end, or answers
 * something else than credentials, or a file cannot be read. No request was sent.
 *
 * @public
 */
export class CredentialsUnavailableError extends KubernetesWorkerError {
  override readonly code = 'KW_ERR_CREDENTIALS_UNAVAILABLE';
  /** What the credentials come from, like `plug-in aws` or `user admin`. */
  readonly source: string;
  /** The end of what the plug-in wrote to stderr, without credentials. */
  readonly stderr: string | undefined;

  constructor(
    source: string,
    detail: string,
    facts: { readonly retryable: boolean; readonly stderr?: string | undefined },
    options?: ErrorOptions,
  ) {
    super(`no credentials from ${source}: ${detail}`, facts.retryable, options);
    this.source = source;
    this.stderr = facts.stderr;
  }
}

/**
 * The API server does not know who is calling (401), also after the credentials were read anew.
 *
 * @public
 */
export class UnauthorizedError extends ClusterError {
  override readonly code = 'KW_ERR_UNAUTHORIZED';

  constructor(facts: ApiCallFacts, detail: string, options?: ErrorOptions) {
    super(`not authenticated: ${detail}`, facts, false, options);
  }
}

/**
 * The caller may not do this (403). The message names the RBAC rule that is needed.
 *
 * @public
 */
export class ForbiddenError extends ClusterError {
  override readonly code = 'KW_ERR_FORBIDDEN';

  constructor(facts: ApiCallFacts, detail: string, options?: ErrorOptions) {
    super(`forbidden: ${detail} (the library needs ${describeRule(facts)}; see docs/rbac.md)`, facts, false, options);
  }
}

function describeRule({ verb, resource }: ApiCallFacts): string {
  const verbs = resource === 'pods/exec' ? 'verbs create and get' : `verb ${verb}`;
  return `a Role with ${verbs} on ${resource}`;
}

/**
 * A quota of the namespace has no room for the object now. The library waits for room as long as for a node; then it
 * rejects with this.
 *
 * @public
 */
export class QuotaExceededError extends ClusterError {
  override readonly code = 'KW_ERR_QUOTA_EXCEEDED';

  constructor(facts: ApiCallFacts, detail: string, options?: ErrorOptions) {
    super(`quota exceeded: ${detail}`, facts, true, options);
  }
}

/**
 * Admission does not accept the object: a LimitRange, Pod Security, a policy or a webhook. The message has the
 * server's own words.
 *
 * @public
 */
export class AdmissionDeniedError extends ClusterError {
  override readonly code = 'KW_ERR_ADMISSION_DENIED';

  constructor(facts: ApiCallFacts, detail: string, options?: ErrorOptions) {
    super(`not admitted: ${detail}`, facts, false, options);
  }
}

/**
 * The object exists already, or changed meanwhile (409).
 *
 * @public
 */
export class ConflictError extends ClusterError {
  override readonly code = 'KW_ERR_CONFLICT';

  constructor(facts: ApiCallFacts, detail: string, options?: ErrorOptions) {
    super(`conflict: ${detail}`, facts, false, options);
  }
}

/**
 * The API server asks to come back later (429).
 *
 * @public
 */
export class TooManyRequestsError extends ClusterError {
  override readonly code = 'KW_ERR_TOO_MANY_REQUESTS';
  /** What the server asked for, where it did. */
  readonly retryAfterMs: number | undefined;

  constructor(facts: ApiCallFacts, retryAfterMs: number | undefined, options?: ErrorOptions) {
    super('too many requests', facts, true, options);
    this.retryAfterMs = retryAfterMs;
  }
}

/**
 * The API server could not be reached, or answered that it cannot serve now (connection errors, 500, 502, 503, 504).
 *
 * @public
 */
export class ApiUnavailableError extends ClusterError {
  override readonly code = 'KW_ERR_API_UNAVAILABLE';
  /** The HTTP status; undefined where no answer came. */
  readonly status: number | undefined;

  constructor(facts: ApiCallFacts, detail: string, status: number | undefined, options?: ErrorOptions) {
    super(`unavailable: ${detail}`, facts, true, options);
    this.status = status;
  }
}

/**
 * Any other refusal of the API server.
 *
 * @public
 */
export class ApiError extends ClusterError {
  override readonly code = 'KW_ERR_API_ERROR';
  readonly status: number;
  /** Kubernetes' own word, like `Invalid`. */
  readonly reason: string | undefined;

  constructor(
    facts: ApiCallFacts,
    detail: string,
    answer: { status: number; reason: string | undefined },
    options?: ErrorOptions,
  ) {
    super(
      `${answer.status}${answer.reason === undefined ? '' : ` ${answer.reason}`}: ${detail}`,
      facts,
      false,
      options,
    );
    this.status = answer.status;
    this.reason = answer.reason;
  }
}
