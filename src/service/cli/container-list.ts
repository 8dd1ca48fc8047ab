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

/** Adds to each container what its pod reports. A pod that does not answer does not fail the list. */
export async function examineAll(
  worker: Pick<Worker, 'lookupContainer'>,
  containers: readonly ContainerInfo[],
  signal: AbortSignal,
): Promise<readonly ListedContainer[]> {
  return await eachOf(containers, async (info) => await examine(worker, info, signal));
}

async function examine(
  worker: Pick<Worker, 'lookupContainer'>,
  info: ContainerInfo,
  signal: AbortSignal,
): Promise<ListedContainer> {
  if (info.state !== 'created' && info.state !== 'kept') return info;
  try {
    const container = await worker.lookupContainer(info.handle, { signal });
    return container === undefined ? info : { ...info, ...(await podFacts(container, signal)) };
  } catch (error) {
    signal.throwIfAborted();
    return { ...info, problem: messageOf(error) };
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
