import { quote } from '../internal/quote.ts';

/** Longer messages are cut: texts of others have no end of their own. */
const maxMessageLength = 10_000;

/** Marks our errors, so that two copies of the library in one program recognise each other's. */
export const errorMark: unique symbol = Symbol.for('kubernetes-worker.error');

/**
 * What every error of the library extends. Switch on `code`, which is stable; messages are for people and may change.
 *
 * @public
 */
export abstract class KubernetesWorkerError extends Error {
  /** Stable and unique per class: `KW_ERR_…`; `docs/errors.md` lists them all. */
  abstract readonly code: `KW_ERR_${string}`;
  /** Whether the same call may succeed later, without anybody changing anything. */
  readonly retryable: boolean;

  constructor(message: string, retryable: boolean, options?: ErrorOptions) {
    // Whatever pods, servers and registries say is in here: one line, no control characters.
    super(quote(message, maxMessageLength), options);
    this.name = new.target.name;
    this.retryable = retryable;
    Object.defineProperty(this, errorMark, { value: true });
  }
}
