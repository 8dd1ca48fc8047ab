import { KubernetesWorkerError } from './base.ts';

/**
 * A field of a specification or an option is wrong; nothing was done.
 *
 * @public
 */
export class InvalidSpecError extends KubernetesWorkerError {
  override readonly code = 'KW_ERR_INVALID_SPEC';
  /** The path of the field, like `outputs.result`. */
  readonly field: string;

  constructor(field: string, problem: string, options?: ErrorOptions) {
    super(`${field}: ${problem}`, false, options);
    this.field = field;
  }
}

/**
 * The object was used after `close()`.
 *
 * @public
 */
export class ClosedError extends KubernetesWorkerError {
  override readonly code = 'KW_ERR_CLOSED';

  constructor(subject: string) {
    super(`${subject} is closed`, false);
  }
}
