import type { V1ContainerStatus } from '@kubernetes/client-node';

import type { Pod } from '../cluster.ts';
import { mainContainerName } from '../pod-spec/pod-spec.ts';

/** The end of one run of a container. */
export interface Termination {
  /** Kubernetes' reason, like `OOMKilled`, `Error`, `Completed`. */
  readonly reason: string | undefined;
  readonly exitCode: number;
  readonly outOfMemory: boolean;
  readonly message: string | undefined;
  readonly finishedAt: Date | undefined;
  readonly containerId: string | undefined;
}

/**
 * The state of the main container. `restarting` is not final: a killed container is started again,
 * after a delay that grows with each restart (`CrashLoopBackOff`).
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

/** Earlier runs of the container. */
export interface Restarts {
  readonly restartCount: number;
  readonly lastTermination: Termination | undefined;
}

/** Returns the state of the agent's container. A container without a status is waiting. */
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

/** Returns the most recent end of a run: that of the current state, else that of the last state. */
export function lastTermination({ state, lastState }: V1ContainerStatus): Termination | undefined {
  const terminated = state?.terminated ?? lastState?.terminated;
  if (terminated === undefined) return undefined;
  const { reason, exitCode, message, finishedAt, containerID } = terminated;
  return { reason, exitCode, outOfMemory: reason === 'OOMKilled', message, finishedAt, containerId: containerID };
}

/** Returns the statuses of the pod's containers, in the order in which the pod starts them. */
export function containerStatuses({ status }: Pod): readonly V1ContainerStatus[] {
  return [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];
}

/** Returns the most recent end of each container that has ended, by container name. */
export function terminations(pod: Pod): ReadonlyMap<string, Termination> {
  const ended = (pod.status?.containerStatuses ?? []).map((status) => [status.name, lastTermination(status)] as const);
  return new Map(
    ended.flatMap(([name, termination]) => (termination === undefined ? [] : [[name, termination] as const])),
  );
}
