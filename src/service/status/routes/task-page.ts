import { type ContainerInfo, isKubernetesWorkerError, type ProcessInfo, type Worker } from '../../../index.ts';
import { eachOf } from '../../each-of.ts';
import { decodeTaskPlace, encodeTaskPlace } from './task-cursor.ts';

/** A process with its container. */
export interface ListedTask {
  readonly info: ContainerInfo;
  readonly process: ProcessInfo;
}

/** A container whose pod did not answer, and why. */
export interface UnavailableContainer {
  readonly container: string;
  readonly code: string;
  readonly message: string;
}

export interface TaskPage {
  readonly tasks: readonly ListedTask[];
  readonly unavailable: readonly UnavailableContainer[];
  /** The cursor of the next page. `undefined` on the last one. */
  readonly next: string | undefined;
}

export interface TaskQuery {
  /** Selects the tasks of this container. */
  readonly container?: string | undefined;
  readonly after?: string | undefined;
  /** The most tasks in the page. */
  readonly limit: number;
}

export interface TaskPageTerms {
  /** Returns the time in milliseconds, from any origin. */
  readonly now: () => number;
  readonly signal: AbortSignal;
}

/** How many containers a page examines. */
const maxContainers = 100;
/** How many are examined at once. */
const batchSize = 8;
/** A page begins no further batch after this time, so that it is complete in time. */
const beginsWithinMs = 4_000;
/** How long a pod may take to answer. */
const podTimeoutMs = 5_000;

/** A container in the list, and the cursors on both of its sides. */
interface PlacedContainer {
  readonly info: ContainerInfo;
  readonly before: string | undefined;
  readonly next: string | undefined;
}

type WorkerOfTasks = Pick<Worker, 'listContainers' | 'lookupContainer'>;

/**
 * Returns a page of the processes of the worker's containers, by container and then by ID. It ends
 * before its limit, with a cursor, if it has examined many containers or taken long. A process that
 * exists from the first page to the last is on exactly one of them.
 *
 * @throws HttpError - the cursor is invalid
 */
export async function taskPage(worker: WorkerOfTasks, query: TaskQuery, terms: TaskPageTerms): Promise<TaskPage> {
  const { limit } = query;
  const tasks: ListedTask[] = [];
  const unavailable: UnavailableContainer[] = [];
  const place = decodeTaskPlace(query.after);
  const until = terms.now() + beginsWithinMs;
  let after = place.after;
  for (let examined = 0; ; ) {
    const batch = await nextContainers(worker, query.container, after, {
      count: Math.min(batchSize, limit - tasks.length, maxContainers - examined),
      signal: terms.signal,
    });
    examined += batch.length;
    const found = await eachOf(batch, async ({ info }) => await tasksOf(worker, info, terms.signal));
    for (const [index, { info, before, next }] of batch.entries()) {
      const { processes = [], problem } = found[index] ?? {};
      const { handle } = info;
      if (problem !== undefined) unavailable.push({ container: handle, ...problem });
      const last = place.last?.handle === handle ? place.last.processId : '';
      const following = processes.filter(({ id }) => id > last);
      const room = following.slice(0, limit - tasks.length);
      tasks.push(...room.map((process) => ({ info, process })));
      const end = room.at(-1);
      if (end !== undefined && room.length < following.length)
        return { tasks, unavailable, next: encodeTaskPlace({ after: before, last: { handle, processId: end.id } }) };
      if (next === undefined) return { tasks, unavailable, next: undefined };
      after = next;
      if (tasks.length === limit) return { tasks, unavailable, next: encodeTaskPlace({ after }) };
    }
    if (batch.length === 0) return { tasks, unavailable, next: undefined };
    if (examined >= maxContainers || terms.now() >= until)
      return { tasks, unavailable, next: encodeTaskPlace({ after }) };
  }
}

/** Returns the next containers, which are listed one by one: a page may end at each of them. */
async function nextContainers(
  worker: Pick<Worker, 'listContainers'>,
  handle: string | undefined,
  after: string | undefined,
  { count, signal }: { readonly count: number; readonly signal: AbortSignal },
): Promise<readonly PlacedContainer[]> {
  const found: PlacedContainer[] = [];
  for (let before = after; found.length < count; ) {
    const { containers, next } = await worker.listContainers({ handle, after: before, limit: 1 }, { signal });
    const [info] = containers;
    if (info === undefined) break;
    found.push({ info, before, next });
    if (next === undefined) break;
    before = next;
  }
  return found;
}

/** The processes of one container, by ID, or why they are not known. */
interface TasksOfContainer {
  readonly processes?: readonly ProcessInfo[];
  readonly problem?: Omit<UnavailableContainer, 'container'>;
}

async function tasksOf(
  worker: Pick<Worker, 'lookupContainer'>,
  { handle, state }: ContainerInfo,
  signal: AbortSignal,
): Promise<TasksOfContainer> {
  if (state !== 'created' && state !== 'kept') return {};
  const within = AbortSignal.any([signal, AbortSignal.timeout(podTimeoutMs)]);
  try {
    const container = await worker.lookupContainer(handle, { signal: within });
    const processes = (await container?.listProcesses({ signal: within })) ?? [];
    return { processes: processes.toSorted((one, other) => (one.id < other.id ? -1 : 1)) };
  } catch (error) {
    signal.throwIfAborted();
    return { problem: reasonOf(error, within) };
  }
}

function reasonOf(error: unknown, within: AbortSignal): Omit<UnavailableContainer, 'container'> {
  if (isKubernetesWorkerError(error)) return { code: error.code, message: error.message };
  if (within.aborted) return { code: 'KW_HTTP_TIMEOUT', message: 'The pod did not answer in time.' };
  throw error;
}
