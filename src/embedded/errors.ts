/**
 * Why an embedded cluster could not do what was asked.
 *
 * - `KW_ERR_EMBEDDED_UNSUPPORTED_PLATFORM`: the machine isn't Linux.
 * - `KW_ERR_EMBEDDED_ISOLATION_UNAVAILABLE`: `isolation: 'namespaces'` was asked for and this machine refuses namespaces.
 * - `KW_ERR_EMBEDDED_INVALID_OPTION`: an option has a value that can't be used; `field` names it.
 * - `KW_ERR_EMBEDDED_CLOSED`: the cluster was closed.
 * - `KW_ERR_EMBEDDED_NO_SUCH_CONTAINER`: the pod or container that was named isn't running.
 * - `KW_ERR_EMBEDDED_UNSAFE_DIRECTORY`: the registry's directory belongs to somebody else.
 * - `KW_ERR_EMBEDDED_NOT_REMOVED`: `close()` could not remove a directory; the message names it. Every process has ended,
 *   and the next start tries again.
 *
 * @public
 */
export type EmbeddedClusterErrorCode =
  | 'KW_ERR_EMBEDDED_UNSUPPORTED_PLATFORM'
  | 'KW_ERR_EMBEDDED_ISOLATION_UNAVAILABLE'
  | 'KW_ERR_EMBEDDED_INVALID_OPTION'
  | 'KW_ERR_EMBEDDED_CLOSED'
  | 'KW_ERR_EMBEDDED_NO_SUCH_CONTAINER'
  | 'KW_ERR_EMBEDDED_UNSAFE_DIRECTORY'
  | 'KW_ERR_EMBEDDED_NOT_REMOVED';

/**
 * What the embedded cluster throws for a fault of its caller or of the machine; `code` says which.
 *
 * @public
 */
export class EmbeddedClusterError extends Error {
  /** The stable code of the cause. */
  readonly code: EmbeddedClusterErrorCode;
  /** The option at fault, where it is an option. */
  readonly field: string | undefined;

  constructor(code: EmbeddedClusterErrorCode, message: string, details: { cause?: unknown; field?: string } = {}) {
    super(message, 'cause' in details ? { cause: details.cause } : undefined);
    this.name = 'EmbeddedClusterError';
    this.code = code;
    this.field = details.field;
  }
}
