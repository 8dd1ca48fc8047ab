import type { V1ContainerStatus } from '@kubernetes/client-node';

import type { Pod } from './cluster.ts';
import { mainContainerName } from './pod-spec.ts';

/** How a run of a container ended. */
export interface Termination {
  /** Kubernetes' word, like `OOMKilled`, `Error`, `Completed`. */
  readonly reason: string | undefined;
  readonly exitCode: number;
  readonly outOfMemory: boolean;
  readonly message: string | undefined;
  readonly finishedAt: Date | undefined;
  readonly containerId: string | undefined;
}

/**
 * What the main container does. `restarting` is nothing final: a container that is killed comes back, after a wait that grows with each time
 * (`CrashLoopBackOff`).
 */
export type MainContainerState =
  | { readonly kind: 'waiting'; readonly reason: string | undefined; readonly detail: string | undefined }
  | ({
      readonly kind: 'running';
      readonly startedAt: Date | undefined;
      readonly containerId: string | undefined;
    } & Restarts)
  | ({
      readonly kind: 'restarting';
      readonly reason: string | undefined;
      readonly detail: string | undefined;
    } & Restarts);

/** What is known of earlier runs. */
export interface Restarts {
  readonly restartCount: number;
  readonly lastTermination: Termination | undefined;
}

/** The state of the container that the agent is in; one of which nothing is known yet is waiting. */
export function mainContainerState(pod: Pod): MainContainerState {
  const status = pod.status?.containerStatuses?.find(({ name }) => name === mainContainerName);
  if (status === undefined) return { kind: 'waiting', reason: pod.status?.reason, detail: pod.status?.message };
  const restarts = { restartCount: status.restartCount, lastTermination: lastTermination(status) };
  const { running, waiting } = status.state ?? {};
  if (running !== undefined)
    return { kind: 'running', startedAt: running.startedAt, containerId: status.containerID, ...restarts };
  const facts = { reason: waiting?.reason, detail: waiting?.message };
  if (restarts.lastTermination !== undefined) return { kind: 'restarting', ...facts, ...restarts };
  return { kind: 'waiting', ...facts };
}

/** The newest run that ended: the current state's where that is one, else the last one's. */
export function lastTermination({ state, lastState }: V1ContainerStatus): Termination | undefined {
  const terminated = state?.terminated ?? lastState?.terminated;
  if (terminated === undefined) return undefined;
  const { reason, exitCode, message, finishedAt, containerID } = terminated;
  return { reason, exitCode, outOfMemory: reason === 'OOMKilled', message, finishedAt, containerId: containerID };
}

/** The newest end of each container that has ended, by its name. */
export function terminations(pod: Pod): ReadonlyMap<string, Termination> {
  const ended = (pod.status?.containerStatuses ?? []).map((status) => [status.name, lastTermination(status)] as const);
  return new Map(
    ended.flatMap(([name, termination]) => (termination === undefined ? [] : [[name, termination] as const])),
  );
}
