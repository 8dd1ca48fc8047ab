import { KubernetesWorkerError } from './base.ts';

/**
 * Identifies the owner that an error is about.
 *
 * @public
 */
export interface OwnerFacts {
  /** The kind of owner. */
  readonly kind: string;
  /** Identifies the owner among those of its kind. */
  readonly key: string;
}

/**
 * Thrown if the owner has a live container that was requested with another specification. Nothing
 * was created or changed.
 *
 * @public
 */
export class ContainerSpecChangedError extends KubernetesWorkerError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_SPEC_CHANGED';
  /** The handle of the live container. */
  readonly handle: string;
  /** The owner of the container. */
  readonly owner: OwnerFacts;

  constructor(handle: string, owner: OwnerFacts, options?: ErrorOptions) {
    super(
      `container ${handle} of owner ${nameOf(owner)} has another specification: finish the owner first, ` +
        'use another owner, or pass onSpecChange: "keep"',
      false,
      options,
    );
    this.handle = handle;
    this.owner = owner;
  }
}

/**
 * Thrown if the owner has finished for good (`Worker.ownerFinished` with `final`). No container was
 * created for it.
 *
 * @public
 */
export class OwnerFinishedError extends KubernetesWorkerError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_OWNER_FINISHED';
  /** The owner that has finished. */
  readonly owner: OwnerFacts;
  /** The name of the worker. */
  readonly workerName: string;

  constructor(owner: OwnerFacts, workerName: string, options?: ErrorOptions) {
    super(`owner ${nameOf(owner)} of worker ${workerName} has finished for good: use another owner`, false, options);
    this.owner = owner;
    this.workerName = workerName;
  }
}

function nameOf({ kind, key }: OwnerFacts): string {
  return JSON.stringify(`${kind}/${key}`);
}
