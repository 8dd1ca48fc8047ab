import { KubernetesWorkerError } from './base.ts';

/**
 * Thrown if the pod or the row of a container that was `created` no longer exists. The container is
 * never created again under the same handle.
 *
 * @public
 */
export class ContainerDisappearedError extends KubernetesWorkerError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_CONTAINER_DISAPPEARED';
  /** The handle of the container. */
  readonly handle: string;
  /** The name of the worker. */
  readonly workerName: string;

  constructor(handle: string, workerName: string, options?: ErrorOptions) {
    super(
      `container ${handle} of worker ${workerName} disappeared: its pod or its row no longer exists`,
      false,
      options,
    );
    this.handle = handle;
    this.workerName = workerName;
  }
}

/**
 * Thrown by `Worker.findOrCreateContainer` if its host was suspended for more than twice as long as
 * the lease of a creation lasts, and the container that it was creating was deleted in that time:
 * usually by the reaper, or because its owner has finished. No command has run in it. Another call
 * creates another container: make it if the owner still needs one.
 *
 * @public
 */
export class CreationLapsedError extends KubernetesWorkerError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_CREATION_LAPSED';
  /** The handle of the container. */
  readonly handle: string;
  /** The name of the worker. */
  readonly workerName: string;

  constructor(handle: string, workerName: string, options?: ErrorOptions) {
    super(
      `the creation of container ${handle} of worker ${workerName} lapsed: its host did not renew the lease, and the container was deleted before any command ran`,
      true,
      options,
    );
    this.handle = handle;
    this.workerName = workerName;
  }
}

/**
 * Thrown if the pod or the row of an existing volume no longer exists.
 *
 * @public
 */
export class VolumeDisappearedError extends KubernetesWorkerError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_VOLUME_DISAPPEARED';
  /** The handle of the volume. */
  readonly handle: string;
  /** The name of the worker. */
  readonly workerName: string;

  constructor(handle: string, workerName: string, options?: ErrorOptions) {
    super(`volume ${handle} of worker ${workerName} disappeared: its pod or its row no longer exists`, false, options);
    this.handle = handle;
    this.workerName = workerName;
  }
}

/**
 * Thrown if no volume of this handle ever existed.
 *
 * @public
 */
export class VolumeNotFoundError extends KubernetesWorkerError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_VOLUME_NOT_FOUND';
  /** The handle of the volume. */
  readonly handle: string;

  constructor(handle: string, options?: ErrorOptions) {
    super(`volume ${handle} not found`, false, options);
    this.handle = handle;
  }
}

/**
 * Thrown if a row is not in a state from which the move is legal, because another caller has moved
 * it.
 *
 * @public
 */
export class IllegalTransitionError extends KubernetesWorkerError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_ILLEGAL_TRANSITION';
  /** The container or the volume: `container …`, `volume …`. */
  readonly subject: string;
  /** The state of the row. */
  readonly from: string;
  /** The state that the move leads to. */
  readonly to: string;

  constructor(subject: string, from: string, to: string, options?: ErrorOptions) {
    super(`${subject} is ${from} and cannot become ${to}`, false, options);
    this.subject = subject;
    this.from = from;
    this.to = to;
  }
}

/**
 * Thrown if another holder has the lease of the container that is being created: a row was not
 * changed, or the container's agent refused the operation. `Worker.findOrCreateContainer` looks up
 * the container again instead of rejecting with this error.
 *
 * @public
 */
export class LeaseLostError extends KubernetesWorkerError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_LEASE_LOST';
  /** The handle of the container, or of the volume to fill, or the ID of the archive to write. */
  readonly handle: string;

  constructor(handle: string, options?: ErrorOptions) {
    super(`the lease of ${handle} is lost: another holder may have it`, false, options);
    this.handle = handle;
  }
}

/**
 * Thrown if a newer version of the library has migrated the database, and this version does not work
 * with its schema. A version works with the schemas of the next minor version.
 *
 * @public
 */
export class SchemaTooNewError extends KubernetesWorkerError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_SCHEMA_TOO_NEW';
  /** The newest migration of this library. */
  readonly expected: string;
  /** The newest migration in the database. */
  readonly actual: string;

  constructor(expected: string, actual: string) {
    super(
      `the database schema is at migration ${actual}, and this version of the library ends at ${expected}: ` +
        'upgrade the library',
      false,
    );
    this.expected = expected;
    this.actual = actual;
  }
}

/**
 * Thrown if a migration that the database has differs from the migration of the same name in this
 * version of the library: a modified or unreleased version has migrated the database.
 *
 * @public
 */
export class MigrationChangedError extends KubernetesWorkerError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_MIGRATION_CHANGED';
  /** The name of the migration. */
  readonly migration: string;
  /** The checksum of the library's migration. */
  readonly expected: string;
  /** The checksum in the database. */
  readonly actual: string;

  constructor(migration: string, expected: string, actual: string) {
    super(
      `the database has another migration ${migration} (checksum ${actual}) than this version of the library ` +
        `(${expected}): use the version that migrated the database, or restore the database from a backup`,
      false,
    );
    this.migration = migration;
    this.expected = expected;
    this.actual = actual;
  }
}

/**
 * Thrown if the database cannot be reached, or cannot respond now.
 *
 * @public
 */
export class RepositoryUnavailableError extends KubernetesWorkerError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_REPOSITORY_UNAVAILABLE';

  constructor(detail: string, options?: ErrorOptions) {
    super(`database unavailable: ${detail}`, true, options);
  }
}

/**
 * Thrown if a volume is in an artifact store that this worker has no driver for.
 *
 * @public
 */
export class StoreNotConfiguredError extends KubernetesWorkerError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_STORE_NOT_CONFIGURED';
  /** The name of the store. */
  readonly store: string;

  constructor(store: string, detail?: string, options?: ErrorOptions) {
    const why = detail === undefined ? '' : `: ${detail}`;
    super(`artifact store ${JSON.stringify(store)} is not configured on this worker${why}`, false, options);
    this.store = store;
  }
}

/**
 * Thrown after a pass in which some steps failed. The pass has continued after each failure.
 *
 * @public
 */
export class ReconcileError extends KubernetesWorkerError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_RECONCILE';
  /** All failures, in order. */
  readonly errors: readonly unknown[];

  constructor(what: string, errors: readonly unknown[]) {
    const first = errors[0] instanceof Error ? errors[0].message : String(errors[0]);
    const count = errors.length === 1 ? '1 failure' : `${errors.length} failures, the first one`;
    super(`${what}: ${count}: ${first}`, true);
    this.errors = errors;
  }
}
