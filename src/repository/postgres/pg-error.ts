import { errorMark } from '../../errors/base.ts';
import { InvalidSpecError } from '../../errors/caller.ts';
import { RepositoryUnavailableError } from '../../errors/repository.ts';

/** What a constraint of the schema guards, in the caller's words. */
const fieldOfConstraint: Readonly<Record<string, string>> = {
  containers_handle_key: 'handle',
  containers_worker_name_fkey: 'workerName',
  volumes_handle_key: 'handle of a volume',
  volumes_worker_name_fkey: 'workerName',
  volumes_container_id_mount_path_key: 'mountPath of a volume',
};

/**
 * The SQLSTATE of an error that is the server's answer; `undefined` of anything that happened on the way to it.
 */
export function sqlStateOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('severity' in error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** Whether the server undid the statement because of others that ran at the same time, so that the same statement may succeed now. */
export function isConflict(error: unknown): boolean {
  const state = sqlStateOf(error);
  return state === '40001' || state === '40P01';
}

/**
 * Whether the connection on which a statement failed must not be used again: no answer came, or the server answers, and cannot serve on it. Those are
 * the classes connection exception (08; a pooler's own errors are such), invalid transaction state (25: a server that became a standby, a session left
 * in a failed transaction), server shutdown and its like (57P), system error (58) and internal error (XX).
 */
export function isUnfit(error: unknown): boolean {
  const state = sqlStateOf(error);
  return state === undefined || /^(08|25|57P|58|XX)/.test(state);
}

/**
 * The typed error for whatever a statement failed with. What the server says of the values is `InvalidSpecError` of the field, what it says of the
 * credentials, the database or its permissions is `InvalidSpecError` of `database`; anything else, and no answer at all, is `RepositoryUnavailableError`. Errors of ours and
 * faults of the program (`TypeError` and the like) come back as they are. No message holds a password.
 */
export function toRepositoryError(error: unknown): unknown {
  if (!(error instanceof Error) || errorMark in error || isProgramFault(error)) return error;
  const state = sqlStateOf(error);
  if (state === undefined) return new RepositoryUnavailableError(describe(error), { cause: error });
  if (/^2[23]/.test(state)) return new InvalidSpecError(fieldOf(error), error.message, { cause: error });
  if (/^(28|3D|42501)/.test(state))
    return new InvalidSpecError('database', `${error.message} (SQLSTATE ${state})`, { cause: error });
  return new RepositoryUnavailableError(`${error.message} (SQLSTATE ${state})`, { cause: error });
}

function isProgramFault(error: Error): boolean {
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

/** A host with several addresses fails with an AggregateError that has no message of its own. */
function describe(error: Error): string {
  if (error.message !== '') return error.message;
  if (error instanceof AggregateError)
    return error.errors.map((each) => (each instanceof Error ? each.message : String(each))).join('; ');
  return 'code' in error ? String(error.code) : error.name;
}
