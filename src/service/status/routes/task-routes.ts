import {
  type Container,
  type ContainerInfo,
  isKubernetesWorkerError,
  type ProcessInfo,
  type ProcessOutcome,
  type Worker,
} from '../../../index.ts';
import { eachOf } from '../../each-of.ts';
import { HttpError } from '../http/http-error.ts';
import { json, type Reply, type Route, type StatusRequest } from '../http/request.ts';
import { fieldsOf, handleOf, pageLimit } from '../query.ts';
import { type StatusContext, workerOf } from './context.ts';
import { parseTaskId, type TaskId, taskIdOf } from './task-id.ts';
import { TaskLogs } from './task-logs.ts';

/** How many containers a page covers: each needs a call to its pod. */
const defaultContainers = 20;
const maxContainers = 100;
/** How long a pod may take to answer. */
const podTimeoutMs = 5_000;

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

/** The tasks of one container, or why they are not known. */
interface TasksOfContainer {
  readonly tasks: readonly object[];
  readonly unavailable: readonly object[];
}

async function listTasks(context: StatusContext, { query, signal }: StatusRequest): Promise<Reply> {
  const { container, after, limit } = fieldsOf(query, ['container', 'after', 'limit']);
  const worker = workerOf(context);
  const { containers, next } = await worker.listContainers(
    {
      handle: container === undefined ? undefined : handleOf('container', container),
      after,
      limit: pageLimit(limit, maxContainers) ?? defaultContainers,
    },
    { signal },
  );
  const found = await eachOf(containers, async (info) => await tasksOf(worker, info, signal));
  const [tasks, unavailable] = [found.flatMap((each) => each.tasks), found.flatMap((each) => each.unavailable)];
  return json({ tasks, unavailable, next: next ?? null });
}

async function tasksOf(worker: Worker, info: ContainerInfo, signal: AbortSignal): Promise<TasksOfContainer> {
  const { handle, state } = info;
  if (state !== 'created' && state !== 'kept') return { tasks: [], unavailable: [] };
  const within = AbortSignal.any([signal, AbortSignal.timeout(podTimeoutMs)]);
  try {
    const container = await worker.lookupContainer(handle, { signal: within });
    const processes = (await container?.listProcesses({ signal: within })) ?? [];
    return { tasks: processes.map((each) => taskView(info, each)), unavailable: [] };
  } catch (error) {
    signal.throwIfAborted();
    return { tasks: [], unavailable: [{ container: handle, ...reasonOf(error, within) }] };
  }
}

function reasonOf(error: unknown, within: AbortSignal): object {
  if (isKubernetesWorkerError(error)) return { code: error.code, message: error.message };
  if (within.aborted) return { code: 'KW_HTTP_TIMEOUT', message: 'The pod did not answer in time.' };
  throw error;
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

function resultView({ exitStatus, signal, oomKills, startedAt, finishedAt }: ProcessOutcome): object {
  return {
    exitStatus,
    signal: signal ?? null,
    oomKills: oomKills ?? null,
    startedAt: startedAt ?? null,
    finishedAt: finishedAt ?? null,
  };
}
