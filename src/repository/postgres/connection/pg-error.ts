import { errorMark } from '../../../errors/base.ts';
import { InvalidSpecError } from '../../../errors/caller.ts';
import { RepositoryUnavailableError } from '../../../errors/repository.ts';

/** The caller's name for the field that a constraint checks. */
const fieldOfConstraint: Readonly<Record<string, string>> = {
  containers_handle_key: 'handle',
  archives_pkey: 'id',
  archives_worker_name_fkey: 'workerName',
  containers_worker_name_fkey: 'workerName',
  volumes_handle_key: 'handle of a volume',
  volumes_worker_name_fkey: 'workerName',
  reservations_worker_name_fkey: 'workerName',
  volumes_container_id_mount_path_key: 'mountPath of a volume',
};

/** Returns the SQLSTATE of an error from the server; `undefined` for a failure on the way to it. */
export function sqlStateOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('severity' in error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/**
 * Returns whether the server rolled the statement back because of a conflict with concurrent ones.
 * A retry of the same statement may succeed.
 */
export function isConflict(error: unknown): boolean {
  const state = sqlStateOf(error);
  return state === '40001' || state === '40P01';
}

/**
 * Returns whether the connection of a failed statement must not be reused: the server did not
 * answer, or its answer means that it cannot serve on this connection. The latter are the SQLSTATE
 * classes connection exception (08, which includes the errors of poolers), invalid transaction
 * state (25: the server became a standby, or the session is in a failed transaction), operator
 * intervention such as a shutdown (57P), system error (58) and internal error (XX).
 */
export function isUnfit(error: unknown): boolean {
  const state = sqlStateOf(error);
  return state === undefined || /^(08|25|57P|58|XX)/.test(state);
}

/**
 * Returns the typed error for the failure of a statement:
 *
 * - `InvalidSpecError` of the field, if the server rejects a value;
 * - `InvalidSpecError` of `database`, if it rejects the credentials, the database or the
 *   permissions;
 * - `RepositoryUnavailableError` for every other answer, and for no answer.
 *
 * Returns errors of this library and programming errors (`TypeError` and similar) unchanged. No
 * message contains a password.
 */
export function toRepositoryError(error: unknown): unknown {
  if (!(error instanceof Error) || errorMark in error || isProgrammingError(error)) return error;
  const state = sqlStateOf(error);
  if (state === undefined) return new RepositoryUnavailableError(describe(error), { cause: error });
  if (/^2[23]/.test(state)) return new InvalidSpecError(fieldOf(error), error.message, { cause: error });
  if (/^(28|3D|42501)/.test(state))
    return new InvalidSpecError('database', `${error.message} (SQLSTATE ${state})`, { cause: error });
  return new RepositoryUnavailableError(`${error.message} (SQLSTATE ${state})`, { cause: error });
}

function isProgrammingError(error: Error): boolean {
  return (
    error instanceof TypeError ||
    error instanceof RangeError ||
    error instanceof ReferenceError ||
    error instanceof SyntaxError
  );
}

function fieldOf(error: Error): string {
  if ('constraint' in error && typeof error.constraint === 'string')
    return fieldOfConstraint[error.constraint] ?? error.constraint;
  if ('column' in error && typeof error.column === 'string') return error.column;
  return 'value';
}

/**
 * Returns the message. A connect to several addresses fails with an AggregateError without a
 * message.
 */
function describe(error: Error): string {
  if (error.message !== '') return error.message;
  if (error instanceof AggregateError)
    return error.errors.map((each) => (each instanceof Error ? each.message : String(each))).join('; ');
  return 'code' in error ? String(error.code) : error.name;
}
