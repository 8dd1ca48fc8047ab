/**
 * The cause of an `EmbeddedClusterError`.
 *
 * - `KW_ERR_EMBEDDED_UNSUPPORTED_PLATFORM`: the platform is not Linux.
 * - `KW_ERR_EMBEDDED_ISOLATION_UNAVAILABLE`: the caller requested `isolation: 'namespaces'`, and
 *   this machine does not allow namespaces.
 * - `KW_ERR_EMBEDDED_INVALID_OPTION`: an option has an invalid value; `field` names the option.
 * - `KW_ERR_EMBEDDED_CLOSED`: the cluster is closed.
 * - `KW_ERR_EMBEDDED_NO_SUCH_CONTAINER`: the pod or container does not exist or is not running.
 * - `KW_ERR_EMBEDDED_UNSAFE_DIRECTORY`: another user owns the registry's directory.
 * - `KW_ERR_EMBEDDED_NOT_REMOVED`: `close()` could not remove a directory; the message names it.
 *   Every process has ended, and the next start retries the removal.
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
 * An error of the embedded cluster that its caller or the machine caused; `code` identifies the
 * cause.
 *
 * @public
 */
export class EmbeddedClusterError extends Error {
  /** The stable code of the cause. */
  readonly code: EmbeddedClusterErrorCode;
  /** The name of the invalid option; `undefined` for other errors. */
  readonly field: string | undefined;

  constructor(code: EmbeddedClusterErrorCode, message: string, details: { cause?: unknown; field?: string } = {}) {
    super(message, 'cause' in details ? { cause: details.cause } : undefined);
    this.name = 'EmbeddedClusterError';
    this.code = code;
    this.field = details.field;
  }
}
