import { KubernetesWorkerError } from './base.ts';

/**
 * Thrown if a field of a specification or an option is invalid, or if the worker's options refuse an
 * image. The call has done nothing.
 *
 * @public
 */
export class InvalidSpecError extends KubernetesWorkerError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_INVALID_SPEC';
  /** The path of the field, such as `outputs.result`. */
  readonly field: string;

  constructor(field: string, problem: string, options?: ErrorOptions) {
    super(`${field}: ${problem}`, false, options);
    this.field = field;
  }
}

/**
 * Thrown if an object is used after `close()`.
 *
 * @public
 */
export class ClosedError extends KubernetesWorkerError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_CLOSED';

  constructor(subject: string) {
    super(`${subject} is closed: open a new one`, false);
  }
}
