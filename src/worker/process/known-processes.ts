import type { AgentClient } from '../../agent-client/agent-client.ts';
import type { AgentProcessStatus } from '../../agent-client/agent-status.ts';
import { PodError } from '../../errors/pod.ts';
import { ContainerDisappearedError } from '../../errors/repository.ts';
import type { PodSupervisor } from '../../pods/pod-supervisor.ts';
import type { StoredProcess } from '../../repository/container-queries.ts';
import type { ProcessResultRecord } from '../../repository/records.ts';
import type { AbortOptions } from '../../runtime/options.ts';
import type { ProcessInfo } from '../../runtime/process-info.ts';
import { storedOutcome } from './process-outcome.ts';

export interface PodOfProcesses {
  readonly podName: string;
  /** Whether the pod no longer exists. */
  readonly podIsMissing: boolean;
}

export interface KnownProcessesComponents {
  readonly agent: () => Pick<AgentClient, 'status'>;
  readonly pods: Pick<PodSupervisor, 'persist'>;
}

/** Returns the agent's processes, and none if no command can run in the pod any longer. */
export async function processesOfAgent(
  { podName, podIsMissing }: PodOfProcesses,
  { agent, pods }: KnownProcessesComponents,
  options: AbortOptions,
): Promise<readonly AgentProcessStatus[]> {
  if (podIsMissing) return [];
  try {
    return (await pods.persist(podName, () => agent().status(options), options)).processes;
  } catch (error) {
    if (error instanceof ContainerDisappearedError || (error instanceof PodError && !error.mayStillRun)) return [];
    throw error;
  }
}

/** Returns every process that the agent or the database has, in the order of their IDs. A stored result is final. */
export function knownProcesses(
  statuses: readonly AgentProcessStatus[],
  results: readonly StoredProcess[],
): readonly ProcessInfo[] {
  const infos = new Map(statuses.map(({ id, state }): [string, ProcessInfo] => [id, { id, state }]));
  for (const { processId, result } of results) infos.set(processId, endedInfo(processId, result));
  return [...infos.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
}

export function endedInfo(id: string, result: ProcessResultRecord): ProcessInfo {
  return { id, state: 'ended', result: storedOutcome(result) };
}
