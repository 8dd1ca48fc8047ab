import type { AgentClient } from '../../agent-client/agent-client.ts';
import type { AgentProcessStatus } from '../../agent-client/agent-status.ts';
import { KubernetesWorkerError } from '../../errors/base.ts';
import { AgentUnavailableError } from '../../errors/connection.ts';
import { TookTooLong, within } from '../../internal/within.ts';
import type { PodSupervisor } from '../../pods/pod-supervisor.ts';
import type { ContainerQueries } from '../../repository/container-queries.ts';
import { checkPageLimit, checkText } from '../../repository/field-checks.ts';
import type { ContainerInfo } from '../../runtime/container-query.ts';
import type { AbortOptions, Clock } from '../../runtime/options.ts';
import type { ListedProcess, ProcessPage, ProcessQuery, UnavailableContainer } from '../../runtime/process-query.ts';
import { knownProcesses, processesOfAgent } from './known-processes.ts';
import { decodeProcessPlace, encodeProcessPlace, type ProcessPlace } from './process-cursor.ts';

export interface ProcessPageComponents {
  readonly queries: Pick<ContainerQueries, 'list' | 'processResultsOf'>;
  readonly agents: { client(podName: string, handle: string): Pick<AgentClient, 'status'> };
  readonly pods: Pick<PodSupervisor, 'exists' | 'persist'>;
  readonly clock: Clock;
}

/** How many containers a page examines. */
const maxContainers = 100;
/** How many pods are asked at once. */
const batchSize = 8;
/** A page asks no further pods after this time. */
const asksWithinMs = 4_000;
/** How long a pod may take to answer. */
const podTimeoutMs = 5_000;

/**
 * Returns a page of the processes of the worker's containers, in two statements. The pods are asked
 * between them: a process that ends meanwhile is read with its stored result.
 *
 * @throws InvalidSpecError - a field of the query is invalid
 */
export async function processPage(
  workerName: string,
  { containerHandle: handle, ownerKind, after, limit = 100 }: ProcessQuery,
  components: ProcessPageComponents,
  options: AbortOptions,
): Promise<ProcessPage> {
  checkPageLimit(limit);
  if (handle !== undefined) checkText('containerHandle', handle, 253);
  const place = decodeProcessPlace(after);
  const { queries } = components;
  const rows = { handle, ownerKind, after: place.after, limit: maxContainers };
  const { containers, cursors, next: rest } = await queries.list(workerName, rows, options);
  const answers = await askPods(containers, { limit, place }, components, options);
  const usable = answers.flatMap(({ container }) => (isUsable(container) ? [container.handle] : []));
  const results = Map.groupBy(await queries.processResultsOf(usable, options), (result) => result.handle);

  const processes: ListedProcess[] = [];
  const unavailable: UnavailableContainer[] = [];
  const pageTo = (end: ProcessPlace | undefined): ProcessPage => ({
    processes,
    unavailable,
    ...(end === undefined ? {} : { next: encodeProcessPlace(end) }),
  });
  for (const [index, { container, statuses, error }] of answers.entries()) {
    const known = knownProcesses(statuses, results.get(container.handle) ?? []);
    const following = known.filter(({ id }) => isAfter(place, container, id));
    const room = following.slice(0, limit - processes.length);
    processes.push(...room.map((process) => ({ container, process })));
    if (error !== undefined) unavailable.push({ container, error });
    const last = room.at(-1);
    if (last !== undefined && room.length < following.length)
      return pageTo({
        after: index === 0 ? place.after : cursors[index - 1],
        last: { handle: container.handle, processId: last.id },
      });
    if (index === containers.length - 1 && rest === undefined) return pageTo(undefined);
    if (processes.length === limit || index === answers.length - 1) return pageTo({ after: cursors[index] });
  }
  return pageTo(undefined);
}

/** What the agent of a container has answered, or why it has not. */
interface PodAnswer {
  readonly container: ContainerInfo;
  readonly statuses: readonly AgentProcessStatus[];
  readonly error?: KubernetesWorkerError;
}

/** Asks the pods of the containers in their order, until they have enough processes or the time is over. */
async function askPods(
  containers: readonly ContainerInfo[],
  { limit, place }: { readonly limit: number; readonly place: ProcessPlace },
  components: ProcessPageComponents,
  options: AbortOptions,
): Promise<readonly PodAnswer[]> {
  const { clock } = components;
  const answers: PodAnswer[] = [];
  const until = clock.now() + asksWithinMs;
  for (let found = 0; answers.length < containers.length && found < limit; ) {
    // Each container may have a process, and more pods than needed are not asked.
    const batch = containers.slice(answers.length, answers.length + Math.min(batchSize, limit - found));
    const answered = await Promise.all(batch.map((container) => askPod(container, components, options)));
    answers.push(...answered);
    for (const { container, statuses } of answered)
      found += statuses.filter(({ id }) => isAfter(place, container, id)).length;
    if (clock.now() >= until) break;
  }
  return answers;
}

async function askPod(
  container: ContainerInfo,
  { agents, pods, clock }: ProcessPageComponents,
  { signal }: AbortOptions,
): Promise<PodAnswer> {
  if (!isUsable(container)) return { container, statuses: [] };
  const { handle, podName, podUid: uid } = container;
  const agent = (): Pick<AgentClient, 'status'> => agents.client(podName, handle);
  const ask = async (asking: AbortSignal): Promise<readonly AgentProcessStatus[]> => {
    const podIsMissing = !(await pods.exists(podName, { uid, signal: asking }));
    return await processesOfAgent({ podName, podIsMissing }, { agent, pods }, { signal: asking });
  };
  try {
    return { container, statuses: await within(podTimeoutMs, clock, ask, signal) };
  } catch (cause) {
    signal?.throwIfAborted();
    if (cause instanceof KubernetesWorkerError) return { container, statuses: [], error: cause };
    if (!(cause instanceof TookTooLong)) throw cause;
    const error = new AgentUnavailableError(podName, `no answer within ${podTimeoutMs} ms`, true, { cause });
    return { container, statuses: [], error };
  }
}

/** Whether commands can run in the container, or could. */
function isUsable({ state }: ContainerInfo): boolean {
  return state === 'created' || state === 'kept';
}

function isAfter({ last }: ProcessPlace, { handle }: ContainerInfo, processId: string): boolean {
  return last?.handle !== handle || processId > last.processId;
}
