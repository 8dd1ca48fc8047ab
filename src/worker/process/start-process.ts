import type { AgentClient } from '../../agent-client/agent-client.ts';
import type { StartOutcome } from '../../agent-client/process/agent-specs.ts';
import { PodDeletedError } from '../../errors/pod.ts';
import { ContainerDisappearedError } from '../../errors/repository.ts';
import type { PodSupervisor } from '../../pods/pod-supervisor.ts';
import type { AbortOptions } from '../../runtime/options.ts';
import type { CheckedProcess } from '../plan/process-spec.ts';

/** The place of a process. */
export interface ProcessTarget {
  readonly handle: string;
  readonly podName: string;
  readonly workerName: string;
  readonly processId: string;
}

/**
 * Starts the process unless its ID was started before. Retries after a lost connection, because the
 * agent starts an id at most once. Resolves with the outcome of the last attempt.
 */
export async function startProcess(
  { id, args, env, dir, user, tty }: CheckedProcess,
  target: ProcessTarget & { readonly stdin: boolean; readonly specDigest: string },
  { agent, pods }: { readonly agent: () => AgentClient; readonly pods: PodSupervisor },
  { signal }: AbortOptions,
): Promise<StartOutcome> {
  const spec = { processId: id, args, env, dir, user, tty, stdin: target.stdin, specDigest: target.specDigest };
  const start = (): Promise<StartOutcome> => agent().start(spec, { signal });
  return await mapDeletedPod(target, () => pods.persist(target.podName, start, { signal }));
}

/** Runs the work. Converts the error of a deleted pod into `ContainerDisappearedError`. */
export async function mapDeletedPod<T>({ handle, workerName }: ProcessTarget, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof PodDeletedError) throw new ContainerDisappearedError(handle, workerName, { cause: error });
    throw error;
  }
}
