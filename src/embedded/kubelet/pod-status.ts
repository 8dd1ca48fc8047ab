import type { ContainerStatus, Pod, PodCondition, PodStatus } from '../objects/api-object.ts';

/** The facts about a pod that has a node. */
export interface PodFacts {
  readonly pod: Pod;
  readonly initStatuses: readonly ContainerStatus[];
  readonly statuses: readonly ContainerStatus[];
  /** Whether the pod's volumes are set up, so that its containers may start. */
  readonly sandboxReady: boolean;
  readonly startTime: string;
  /** The reason why the pod as a whole failed, regardless of its containers. */
  readonly failure: { readonly reason: string; readonly message: string } | undefined;
  readonly now: string;
}

/**
 * Returns the status of a pod that has a node. Derives it from the states of the containers by the
 * kubelet's rules.
 */
export function podStatus(facts: PodFacts): PodStatus {
  const { pod, initStatuses, statuses, failure } = facts;
  const phase = failure === undefined ? podPhase(pod, initStatuses, statuses) : 'Failed';
  return {
    phase,
    ...(failure ?? {}),
    conditions: conditions(facts, phase),
    hostIP: '127.0.0.1',
    ...(facts.sandboxReady ? { podIP: '127.0.0.1', podIPs: [{ ip: '127.0.0.1' }] } : {}),
    startTime: facts.startTime,
    ...(initStatuses.length === 0 ? {} : { initContainerStatuses: initStatuses }),
    containerStatuses: statuses,
    ...(pod.status.qosClass === undefined ? {} : { qosClass: pod.status.qosClass }),
  };
}

/** Whether an init container has completed: ended with exit code 0, or, as a sidecar, started. */
function isInitialised(pod: Pod, status: ContainerStatus): boolean {
  const sidecar = pod.spec.initContainers?.find(({ name }) => name === status.name)?.restartPolicy === 'Always';
  return sidecar ? status.started || status.restartCount > 0 : status.state.terminated?.exitCode === 0;
}

function podPhase(
  pod: Pod,
  initStatuses: readonly ContainerStatus[],
  statuses: readonly ContainerStatus[],
): PodStatus['phase'] {
  const policy = pod.spec.restartPolicy ?? 'Always';
  const failedInit = initStatuses.some((status) => (status.state.terminated?.exitCode ?? 0) !== 0);
  if (failedInit && policy === 'Never') return 'Failed';
  if (!initStatuses.every((status) => isInitialised(pod, status))) return 'Pending';
  const ended = statuses.filter(({ state }) => state.terminated !== undefined);
  const begun = statuses.filter(
    ({ state, lastState }) =>
      state.running !== undefined || lastState.terminated !== undefined || state.terminated !== undefined,
  );
  if (begun.length < statuses.length) return 'Pending';
  if (ended.length < statuses.length || policy === 'Always') return 'Running';
  const failed = ended.some(({ state }) => state.terminated?.exitCode !== 0);
  if (!failed) return 'Succeeded';
  return policy === 'Never' ? 'Failed' : 'Running';
}

function conditions(facts: PodFacts, phase: PodStatus['phase']): PodCondition[] {
  const { pod, statuses, initStatuses } = facts;
  const unready = statuses.filter(({ ready }) => !ready).map(({ name }) => name);
  const uninitialised = initStatuses.filter((status) => !isInitialised(pod, status)).map(({ name }) => name);
  const ended =
    phase === 'Succeeded' ? { reason: 'PodCompleted' } : phase === 'Failed' ? { reason: 'PodFailed' } : undefined;
  const notReady = ended ?? {
    reason: 'ContainersNotReady',
    message: `containers with unready status: [${unready.join(' ')}]`,
  };
  const ready = ended === undefined && unready.length === 0 && uninitialised.length === 0;
  const wanted: readonly Omit<PodCondition, 'lastProbeTime' | 'lastTransitionTime'>[] = [
    { type: 'PodReadyToStartContainers', status: truth(facts.sandboxReady && ended === undefined) },
    uninitialised.length === 0
      ? { type: 'Initialized', status: 'True' }
      : {
          type: 'Initialized',
          status: 'False',
          reason: 'ContainersNotInitialized',
          message: `containers with incomplete status: [${uninitialised.join(' ')}]`,
        },
    { type: 'Ready', status: truth(ready), ...(ready ? {} : notReady) },
    { type: 'ContainersReady', status: truth(ready), ...(ready ? {} : notReady) },
    { type: 'PodScheduled', status: 'True' },
  ];
  const previous = pod.status.conditions ?? [];
  // Conditions that other components have set, such as `DisruptionTarget`, stay.
  const others = previous.filter(({ type }) => !wanted.some((condition) => condition.type === type));
  return [...others, ...wanted.map((condition) => withTimes(condition, previous, facts.now))];
}

function truth(value: boolean): 'True' | 'False' {
  return value ? 'True' : 'False';
}

function withTimes(
  condition: Omit<PodCondition, 'lastProbeTime' | 'lastTransitionTime'>,
  previous: readonly PodCondition[],
  now: string,
): PodCondition {
  const before = previous.find(({ type, status }) => type === condition.type && status === condition.status);
  return { lastProbeTime: null, lastTransitionTime: before?.lastTransitionTime ?? now, ...condition };
}

/** Returns the status of a pod that cannot be scheduled. */
export function unschedulableStatus(pod: Pod, message: string, now: string): PodStatus {
  const condition = withTimes(
    { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message },
    pod.status.conditions ?? [],
    now,
  );
  return { ...pod.status, phase: 'Pending', conditions: [condition] };
}
