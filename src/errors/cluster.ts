import { KubernetesWorkerError } from './base.ts';

/**
 * Identifies the call of the Kubernetes API that an error is about.
 *
 * @public
 */
export interface ApiCallFacts {
  /** The verb as RBAC names it: `create`, `get`, `list`, `watch` or `delete`. */
  readonly verb: string;
  /**
   * The resource as RBAC names it: `pods`, `pods/exec`, `configmaps`, `secrets` or `networkpolicies`.
   */
  readonly resource: string;
  /** The namespace of the call. */
  readonly namespace: string;
}

/**
 * The base class of the errors about a call of the Kubernetes API.
 *
 * @public
 */
export abstract class ClusterError extends KubernetesWorkerError {
  /** The verb as RBAC names it. */
  readonly verb: string;
  /** The resource as RBAC names it. */
  readonly resource: string;
  /** The namespace of the call. */
  readonly namespace: string;

  constructor(what: string, facts: ApiCallFacts, retryable: boolean, options?: ErrorOptions) {
    super(`cannot ${facts.verb} ${facts.resource} in namespace ${facts.namespace}: ${what}`, retryable, options);
    this.verb = facts.verb;
    this.resource = facts.resource;
    this.namespace = facts.namespace;
  }
}

/**
 * Thrown if the credentials for the cluster cannot be obtained: a credential plug-in fails, does
 * not end, or prints something other than credentials, or a file cannot be read. No request was
 * sent.
 *
 * @public
 */
export class CredentialsUnavailableError extends KubernetesWorkerError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_CREDENTIALS_UNAVAILABLE';
  /** The source of the credentials, such as `plug-in aws` or `user admin`. */
  readonly source: string;
  /** The end of what the plug-in wrote to stderr, without credentials. */
  readonly stderr: string | undefined;

  constructor(
    source: string,
    detail: string,
    facts: { readonly retryable: boolean; readonly stderr?: string | undefined },
    options?: ErrorOptions,
  ) {
    super(`cannot get credentials from ${source}: ${detail}`, facts.retryable, options);
    this.source = source;
    this.stderr = facts.stderr;
  }
}

/**
 * Thrown if the API server rejects the credentials (401), even after they were read again.
 *
 * @public
 */
export class UnauthorizedError extends ClusterError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_UNAUTHORIZED';

  constructor(facts: ApiCallFacts, detail: string, options?: ErrorOptions) {
    super(`the API server rejects the credentials of the kubeconfig (401): ${detail}`, facts, false, options);
  }
}

/**
 * Thrown if the caller lacks a permission (403). The message names the RBAC rule that grants it. If
 * the API server has granted such a call before, or was unavailable, it is thrown after 10 s of
 * refusals.
 *
 * @public
 */
export class ForbiddenError extends ClusterError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_FORBIDDEN';

  constructor(facts: ApiCallFacts, detail: string, options?: ErrorOptions) {
    super(`forbidden (403): ${detail}; grant ${describeRule(facts)} (see docs/rbac.md)`, facts, false, options);
  }
}

function describeRule({ verb, resource }: ApiCallFacts): string {
  const verbs = resource === 'pods/exec' ? 'verbs create and get' : `verb ${verb}`;
  return `a Role with ${verbs} on ${resource}`;
}

/**
 * Thrown if a quota of the namespace has no room for the object. The library waits for room as long
 * as for a node (`schedulingTimeoutMs`) before it rejects with this error, and rejects at once if
 * `maxWaitingForQuota` creations already wait.
 *
 * @public
 */
export class QuotaExceededError extends ClusterError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_QUOTA_EXCEEDED';

  constructor(facts: ApiCallFacts, detail: string, options?: ErrorOptions) {
    super(`quota exceeded (free resources or raise it): ${detail}`, facts, true, options);
  }
}

/**
 * Thrown if admission rejects the object: a LimitRange, Pod Security, a policy or a webhook. The
 * message contains the server's own.
 *
 * @public
 */
export class AdmissionDeniedError extends ClusterError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_ADMISSION_DENIED';

  constructor(facts: ApiCallFacts, detail: string, options?: ErrorOptions) {
    super(
      `admission denied: ${detail}; change the container's specification, the option "pods" or the policy`,
      facts,
      false,
      options,
    );
  }
}

/**
 * Thrown if the object already exists, or was changed by another program (409).
 *
 * @public
 */
export class ConflictError extends ClusterError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_CONFLICT';

  constructor(facts: ApiCallFacts, detail: string, options?: ErrorOptions) {
    super(`conflict (409): ${detail}`, facts, false, options);
  }
}

/**
 * Thrown if the API server limits the rate of requests (429).
 *
 * @public
 */
export class TooManyRequestsError extends ClusterError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_TOO_MANY_REQUESTS';
  /** The delay that the server requests, in milliseconds. `undefined` if it requests none. */
  readonly retryAfterMs: number | undefined;

  constructor(facts: ApiCallFacts, retryAfterMs: number | undefined, options?: ErrorOptions) {
    const next = retryAfterMs === undefined ? 'later' : `after ${retryAfterMs} ms`;
    super(`too many requests (429); retry ${next}`, facts, true, options);
    this.retryAfterMs = retryAfterMs;
  }
}

/**
 * Thrown if the API server cannot be reached, or cannot serve now (connection errors, 408, 500,
 * 502, 503, 504), or may have just started and not have read its roles (403): for 10 s after it was
 * unavailable, and for 10 s if it refuses what it granted before.
 *
 * @public
 */
export class ApiUnavailableError extends ClusterError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_API_UNAVAILABLE';
  /** The HTTP status. `undefined` if no response arrived. */
  readonly status: number | undefined;

  constructor(facts: ApiCallFacts, detail: string, status: number | undefined, options?: ErrorOptions) {
    super(`API server unavailable (${status ?? 'no response'}): ${detail}`, facts, true, options);
    this.status = status;
  }
}

/**
 * Thrown for any other response with which the API server refuses a call.
 *
 * @public
 */
export class ApiError extends ClusterError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_API_ERROR';
  /** The HTTP status. */
  readonly status: number;
  /** The reason that Kubernetes reports, such as `Invalid`. */
  readonly reason: string | undefined;

  constructor(
    facts: ApiCallFacts,
    detail: string,
    answer: { status: number; reason: string | undefined },
    options?: ErrorOptions,
  ) {
    const reason = answer.reason === undefined ? '' : ` ${answer.reason}`;
    super(`the API server responded with ${answer.status}${reason}: ${detail}`, facts, false, options);
    this.status = answer.status;
    this.reason = answer.reason;
  }
}

/**
 * Thrown if the config map with the agent does not exist, and the worker must not create it
 * (`agentConfigMap: 'existing'`).
 *
 * @public
 */
export class AgentNotInstalledError extends ClusterError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_AGENT_NOT_INSTALLED';
  /** The name of the missing config map. */
  readonly configMapName: string;

  constructor(namespace: string, configMapName: string, options?: ErrorOptions) {
    super(
      `config map ${configMapName}, which contains the agent, does not exist: ` +
        `create what agentConfigMap() returns, with kubectl apply --server-side -f - (see docs/rbac.md)`,
      { verb: 'get', resource: 'configmaps', namespace },
      false,
      options,
    );
    this.configMapName = configMapName;
  }
}
