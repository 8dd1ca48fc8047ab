import type { Container, ContainerInfo, ProcessInfo, Worker } from '../../index.ts';
import { eachOf } from '../each-of.ts';
import { messageOf } from '../error-facts.ts';

/** A container, and what its pod has reported. */
export interface ListedContainer extends ContainerInfo {
  /** The node of the pod. `undefined` if the pod has none, or was not examined. */
  readonly nodeName?: string | undefined;
  /** The processes. `undefined` if the pod was not examined, or does not answer. */
  readonly processes?: readonly ProcessInfo[] | undefined;
  /** Why the pod could not be examined. */
  readonly problem?: string | undefined;
}

/** How long a pod may take to answer, in milliseconds: a user waits. */
const answerMs = 30_000;

/** Adds to each container what its pod reports. A pod that does not answer in time does not fail the list. */
export async function examineAll(
  worker: Pick<Worker, 'lookupContainer'>,
  containers: readonly ContainerInfo[],
  signal: AbortSignal,
  limitMs: number = answerMs,
): Promise<readonly ListedContainer[]> {
  return await eachOf(containers, async (info) => await examine(worker, info, limitMs, signal));
}

async function examine(
  worker: Pick<Worker, 'lookupContainer'>,
  info: ContainerInfo,
  limitMs: number,
  signal: AbortSignal,
): Promise<ListedContainer> {
  if (info.state !== 'created' && info.state !== 'kept') return info;
  const limit = AbortSignal.timeout(limitMs);
  const inTime = AbortSignal.any([signal, limit]);
  try {
    const container = await worker.lookupContainer(info.handle, { signal: inTime });
    return container === undefined ? info : { ...info, ...(await podFacts(container, inTime)) };
  } catch (error) {
    signal.throwIfAborted();
    const problem = limit.aborted ? `no answer within ${limitMs / 1000} seconds` : messageOf(error);
    return { ...info, problem };
  }
}

async function podFacts(
  container: Container,
  signal: AbortSignal,
): Promise<Pick<ListedContainer, 'nodeName' | 'processes'>> {
  const [{ nodeName }, processes] = await Promise.all([
    container.describe({ signal }),
    container.listProcesses({ signal }),
  ]);
  return { nodeName, processes };
}
