import { KubernetesWorkerError } from './base.ts';

/**
 * A container that is `created` in the database has no pod any more, or its row is gone. It is never made again under the same handle.
 *
 * @public
 */
export class ContainerDisappearedError extends KubernetesWorkerError {
  override readonly code = 'KW_ERR_CONTAINER_DISAPPEARED';
  readonly handle: string;
  readonly workerName: string;

  constructor(handle: string, workerName: string, options?: ErrorOptions) {
    super(`container ${handle} disappeared from worker ${workerName}`, false, options);
    this.handle = handle;
    this.workerName = workerName;
  }
}

/**
 * A volume that was there is gone: its pod, or its row.
 *
 * @public
 */
export class VolumeDisappearedError extends KubernetesWorkerError {
  override readonly code = 'KW_ERR_VOLUME_DISAPPEARED';
  readonly handle: string;
  readonly workerName: string;

  constructor(handle: string, workerName: string, options?: ErrorOptions) {
    super(`volume ${handle} disappeared from worker ${workerName}`, false, options);
    this.handle = handle;
    this.workerName = workerName;
  }
}

/**
 * There never was a volume of this handle.
 *
 * @public
 */
export class VolumeNotFoundError extends KubernetesWorkerError {
  override readonly code = 'KW_ERR_VOLUME_NOT_FOUND';
  readonly handle: string;

  constructor(handle: string, options?: ErrorOptions) {
    super(`volume ${handle} not found`, false, options);
    this.handle = handle;
  }
}

/**
 * A row was not in a state from which this move is legal; somebody else moved it first.
 *
 * @public
 */
export class IllegalTransitionError extends KubernetesWorkerError {
  override readonly code = 'KW_ERR_ILLEGAL_TRANSITION';
  readonly subject: string;
  /** The state that the row is in. */
  readonly from: string;
  readonly to: string;

  constructor(subject: string, from: string, to: string, options?: ErrorOptions) {
    super(`${subject} is ${from} and cannot become ${to}`, false, options);
    this.subject = subject;
    this.from = from;
    this.to = to;
  }
}

/**
 * Another holder has the lease of the container that is being made: a row was not changed, or the
 * container's agent refused the operation. `findOrCreateContainer` looks again instead of rejecting with it.
 *
 * @public
 */
export class LeaseLostError extends KubernetesWorkerError {
  override readonly code = 'KW_ERR_LEASE_LOST';
  /** The container's, or the volume's that was to be filled. */
  readonly handle: string;

  constructor(handle: string, options?: ErrorOptions) {
    super(`the lease of ${handle} is lost: another holder may have it`, false, options);
    this.handle = handle;
  }
}

/**
 * The database was migrated by a newer version of the library than this one.
 *
 * @public
 */
export class SchemaTooNewError extends KubernetesWorkerError {
  override readonly code = 'KW_ERR_SCHEMA_TOO_NEW';
  /** The newest migration that this library knows. */
  readonly expected: string;
  /** The newest migration in the database. */
  readonly actual: string;

  constructor(expected: string, actual: string) {
    super(`the database schema is at ${actual}, newer than ${expected}, the newest that this version knows`, false);
    this.expected = expected;
    this.actual = actual;
  }
}

/**
 * The database cannot be reached, or cannot answer now.
 *
 * @public
 */
export class RepositoryUnavailableError extends KubernetesWorkerError {
  override readonly code = 'KW_ERR_REPOSITORY_UNAVAILABLE';

  constructor(detail: string, options?: ErrorOptions) {
    super(`database unavailable: ${detail}`, true, options);
  }
}

/**
 * The volume needs an artifact store that this worker was not given.
 *
 * @public
 */
export class StoreNotConfiguredError extends KubernetesWorkerError {
  override readonly code = 'KW_ERR_STORE_NOT_CONFIGURED';
  readonly store: string;

  constructor(store: string) {
    super(`artifact store ${JSON.stringify(store)} is not configured on this worker`, false);
    this.store = store;
  }
}

/**
 * Several things failed in one pass, which went on after each; `errors` has them all.
 *
 * @public
 */
export class ReconcileError extends KubernetesWorkerError {
  override readonly code = 'KW_ERR_RECONCILE';
  readonly errors: readonly unknown[];

  constructor(what: string, errors: readonly unknown[]) {
    const first = errors[0] instanceof Error ? errors[0].message : String(errors[0]);
    super(`${what}: ${errors.length} failed, the first: ${first}`, true);
    this.errors = errors;
  }
}
