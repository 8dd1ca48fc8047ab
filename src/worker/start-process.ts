import type { AgentClient } from '../agent-client/agent-client.ts';
import { PodDeletedError } from '../errors/pod.ts';
import { ContainerDisappearedError } from '../errors/repository.ts';
import type { PodSupervisor } from '../pods/pod-supervisor.ts';
import type { AbortOptions } from '../runtime/options.ts';
import type { CheckedProcess } from './process-spec.ts';

/** Where a process is, or is to be. */
export interface ProcessTarget {
  readonly handle: string;
  readonly podName: string;
  readonly workerName: string;
  readonly processId: string;
}

/** Starts it if it was not started before; a lost connection is no reason to give up, since an id is started at most once. */
export async function startProcess(
  { id, args, env, dir, user, tty }: CheckedProcess,
  target: ProcessTarget & { readonly stdin: boolean },
  { agent, pods }: { readonly agent: () => AgentClient; readonly pods: PodSupervisor },
  { signal }: AbortOptions,
): Promise<void> {
  const spec = { processId: id, args, env, dir, user, tty, stdin: target.stdin };
  await mapDeletedPod(target, () => pods.persist(target.podName, () => agent().start(spec, { signal }), { signal }));
}

/** A pod that is gone is a container that has disappeared. */
export async function mapDeletedPod<T>({ handle, workerName }: ProcessTarget, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof PodDeletedError) throw new ContainerDisappearedError(handle, workerName, { cause: error });
    throw error;
  }
}
