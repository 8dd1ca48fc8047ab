import { handleOf, invalid } from '../query.ts';

/** A process of a container. In the API it is a task. */
export interface TaskId {
  readonly handle: string;
  readonly processId: string;
}

/** Returns the text of an ID: the handle of the container, a colon, the ID of the process. */
export function taskIdOf({ handle, processId }: TaskId): string {
  return `${handle}:${processId}`;
}

/** @throws HttpError - the text is not an ID */
export function parseTaskId(text: string | undefined): TaskId {
  const [handle = '', processId = '', ...rest] = (text ?? '').split(':');
  if (!/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}$/.test(processId) || rest.length > 0)
    throw invalid('id', 'is not HANDLE:PROCESS');
  return { handle: handleOf('id', handle), processId };
}
