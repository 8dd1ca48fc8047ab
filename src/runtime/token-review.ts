import type { AbortOptions } from './options.ts';

/**
 * A permission in the worker's namespace that `WorkerTokens.reviewToken` examines, in terms of RBAC.
 *
 * @public
 */
export interface ReviewedPermission {
  /** The verb, like `get`. */
  readonly verb: string;
  /** The API group of the resource. @defaultValue the core group */
  readonly apiGroup?: string | undefined;
  /** The resource, with its subresource: like `pods/log`. */
  readonly resource: string;
}

/**
 * Options of `WorkerTokens.reviewToken`.
 *
 * @public
 */
export interface ReviewTokenOptions extends AbortOptions {
  /** The permission that the token's user needs. */
  readonly permission: ReviewedPermission;
  /**
   * The audiences of the token: it must have been issued for one of them.
   *
   * @defaultValue the audiences of the API server
   */
  readonly audiences?: readonly string[] | undefined;
}

/**
 * What a cluster has decided about a token.
 *
 * @public
 */
export interface TokenReview {
  /** The name of the token's user. `undefined` if the cluster does not accept the token. */
  readonly user: string | undefined;
  /** Whether the cluster accepts the token and its user has the permission. */
  readonly allowed: boolean;
}

/**
 * The authentication and authorization of the worker's cluster, for a host that serves users of the
 * cluster.
 *
 * @public
 */
export interface WorkerTokens {
  /**
   * Asks the cluster whose token this is, and whether that user has a permission in the worker's
   * namespace (`TokenReview`, `SubjectAccessReview`). Nothing is cached. The worker's credentials
   * need the permissions of the cluster role `system:auth-delegator`. The signal stops the call.
   *
   * @example
   * ```ts
   * const { user, allowed } = await worker.reviewToken('TOKEN-OF-A-CLIENT', {
   *   permission: { verb: 'get', resource: 'pods/log' },
   * });
   * console.log(allowed ? `${user ?? ''} may read` : 'refused');
   * ```
   *
   * @throws InvalidSpecError if the token is empty, or a field of the options is invalid
   * @throws ForbiddenError, ApiUnavailableError or another `ClusterError` if the cluster refuses the
   * review or does not answer
   */
  reviewToken(token: string, options: ReviewTokenOptions): Promise<TokenReview>;
}
