import { quote } from '../internal/quote.ts';

/** The maximum length of a message. Texts from pods, servers and registries are unbounded. */
const maxMessageLength = 10_000;

/**
 * Marks the library's errors, so that two copies of the library in one program recognise each
 * other's.
 */
export const errorMark: unique symbol = Symbol.for('kubernetes-worker.error');

/**
 * The base class of every error of the library. Switch on `code`, which is stable. Messages are for
 * people and may change; they never contain the value of an environment variable or a credential.
 *
 * @public
 */
export abstract class KubernetesWorkerError extends Error {
  /** The stable code of the class, `KW_ERR_…`. `docs/errors.md` lists all codes. */
  abstract readonly code: `KW_ERR_${string}`;
  /**
   * Whether the same call may succeed later without a change of its arguments or of the cluster.
   */
  readonly retryable: boolean;

  constructor(message: string, retryable: boolean, options?: ErrorOptions) {
    // Messages contain text from pods, servers and registries: one line, no control characters.
    super(quote(message, maxMessageLength), options);
    this.name = new.target.name;
    this.retryable = retryable;
    Object.defineProperty(this, errorMark, { value: true });
  }
}
