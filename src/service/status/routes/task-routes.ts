import type {
  Container,
  ContainerInfo,
  ProcessInfo,
  ProcessOutcome,
  UnavailableContainer,
  Worker,
} from '../../../index.ts';
import { HttpError } from '../http/http-error.ts';
import { json, type Reply, type Route, type StatusRequest } from '../http/request.ts';
import { fieldsOf, handleOf, pageLimit } from '../query.ts';
import { type StatusContext, workerOf } from './context.ts';
import { parseTaskId, type TaskId, taskIdOf } from './task-id.ts';
import { TaskLogs } from './task-logs.ts';

export function taskRoutes(context: StatusContext): readonly Route[] {
  const list = async (request: StatusRequest): Promise<Reply> => await listTasks(context, request);
  const logs = new TaskLogs(context.maxLogStreams);
  return [
    { path: '/api/v1/tasks', access: 'guarded', handler: list },
    { path: '/tasks', access: 'guarded', handler: list },
    {
      path: '/api/v1/tasks/{id}',
      access: 'guarded',
      handler: async (request) => await showTask(context, request),
    },
    {
      path: '/api/v1/tasks/{id}/logs',
      access: 'guarded',
      handler: async ({ params, query, signal }) => {
        const id = parseTaskId(params['id']);
        const { container } = await findContainer(workerOf(context), id, signal);
        return await logs.reply(container, id.processId, query, signal);
      },
    },
  ];
}

async function listTasks(context: StatusContext, { query, signal }: StatusRequest): Promise<Reply> {
  const { container, after, limit } = fieldsOf(query, ['container', 'after', 'limit']);
  const containerHandle = container === undefined ? undefined : handleOf('container', container);
  const { processes, unavailable, next } = await workerOf(context).listProcesses(
    { containerHandle, after, limit: pageLimit(limit) },
    { signal },
  );
  return json({
    tasks: processes.map(({ container: info, process }) => taskView(info, process)),
    unavailable: unavailable.map(unavailableView),
    next: next ?? null,
  });
}

async function showTask(context: StatusContext, { params, query, signal }: StatusRequest): Promise<Reply> {
  fieldsOf(query, []);
  const id = parseTaskId(params['id']);
  const { info, container } = await findContainer(workerOf(context), id, signal);
  const process = await container.findProcess(id.processId, { signal });
  if (process === undefined) throw new HttpError('KW_HTTP_NOT_FOUND', 'The container has no process of this ID.');
  return json(taskView(info, process));
}

interface FoundContainer {
  readonly info: ContainerInfo;
  readonly container: Container;
}

/** @throws HttpError - the container does not exist, or no command can run in it */
async function findContainer(worker: Worker, { handle }: TaskId, signal: AbortSignal): Promise<FoundContainer> {
  const { containers } = await worker.listContainers({ handle, limit: 1 }, { signal });
  const [info] = containers;
  const container = info === undefined ? undefined : await worker.lookupContainer(handle, { signal });
  if (info === undefined || container === undefined)
    throw new HttpError('KW_HTTP_NOT_FOUND', 'The worker has no container of this handle in which processes run.');
  return { info, container };
}

/** A process in JSON: neither its command nor its environment. */
function taskView({ handle, owner, metadata }: ContainerInfo, { id: processId, state, result }: ProcessInfo): object {
  return {
    id: taskIdOf({ handle, processId }),
    container: handle,
    process: processId,
    owner: { kind: owner.kind, key: owner.key },
    stepName: metadata.stepName ?? null,
    state,
    result: result === undefined ? null : resultView(result),
  };
}

function unavailableView({ container, error }: UnavailableContainer): object {
  return { container: container.handle, code: error.code, message: error.message };
}

function resultView({ exitStatus, signal, oomKills, startedAt, finishedAt }: ProcessOutcome): object {
  return {
    exitStatus,
    signal: signal ?? null,
    oomKills: oomKills ?? null,
    startedAt: startedAt ?? null,
    finishedAt: finishedAt ?? null,
  };
}
