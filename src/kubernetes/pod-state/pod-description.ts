import type {
  V1Container,
  V1ContainerState,
  V1ContainerStateTerminated,
  V1ContainerStatus,
} from '@kubernetes/client-node';

import type {
  ContainerDescription,
  ContainerUsage,
  KubernetesContainerInfo,
  KubernetesContainerState,
  PodConditionInfo,
  PodEventInfo,
  TerminationInfo,
} from '../../runtime/container-description.ts';
import type { ContainerLimits } from '../../runtime/resources.ts';
import type { Pod, PodEvent, PodMetrics } from '../cluster.ts';
import { mainContainerName } from '../pod-spec/pod-spec.ts';
import { quantityIn } from '../quantity.ts';

/** What a description has besides the pod. Absent: it is not known. */
export interface PodSurroundings {
  readonly events?: readonly PodEvent[] | undefined;
  readonly metrics?: PodMetrics | undefined;
}

/** Describes a pod, its events and what it uses. */
export function describePod(pod: Pod, { events, metrics }: PodSurroundings = {}): ContainerDescription {
  const { metadata, spec, status } = pod;
  return present({
    podName: metadata?.name ?? '',
    podUid: metadata?.uid ?? '',
    nodeName: spec?.nodeName,
    phase: status?.phase ?? 'Unknown',
    reason: status?.reason,
    message: status?.message,
    deletedAt: metadata?.deletionTimestamp,
    conditions: describeConditions(pod),
    containers: describeContainers(pod, metrics),
    events: events === undefined ? undefined : describeEvents(events),
  });
}

function describeConditions(pod: Pod): PodConditionInfo[] {
  return (pod.status?.conditions ?? []).map(({ type, status, reason, message, lastTransitionTime }) =>
    present({ type, status, reason, message, changedAt: lastTransitionTime }),
  );
}

/** Describes the containers in the order in which the pod starts them, with `main` before sidecars. */
function describeContainers({ spec, status }: Pod, metrics: PodMetrics | undefined): KubernetesContainerInfo[] {
  const all = spec?.containers ?? [];
  const main = all.filter(({ name }) => name === mainContainerName);
  const others = all.filter(({ name }) => name !== mainContainerName);
  const statuses = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];
  return [...(spec?.initContainers ?? []), ...main, ...others].map((container) =>
    describeContainer(
      container,
      statuses.find(({ name }) => name === container.name),
      metrics?.containers.find(({ name }) => name === container.name)?.usage,
    ),
  );
}

function describeContainer(
  { name, image = '', resources }: V1Container,
  status: V1ContainerStatus | undefined,
  usage: Readonly<Record<string, string>> | undefined,
): KubernetesContainerInfo {
  const last = status?.lastState?.terminated;
  return present({
    name,
    image,
    // For an image without a registry's digest, a node reports its own ID of the image.
    imageDigest: /@(sha256:[0-9a-f]{64})$/.exec(status?.imageID ?? '')?.[1],
    state: describeState(status?.state ?? {}),
    requests: describeAmounts(resources?.requests),
    limits: describeAmounts(resources?.limits),
    usage: describeUsage(usage),
    restarts: status?.restartCount ?? 0,
    lastTermination: last === undefined ? undefined : describeTermination(last),
  });
}

/** Leaves out what has no amount. Returns `undefined` if nothing has one. */
function describeAmounts(amounts: Readonly<Record<string, string>> = {}): ContainerLimits | undefined {
  const amountOf = (name: string, unit: 'milli' | 'one'): number | undefined =>
    amounts[name] === undefined ? undefined : quantityIn(amounts[name], unit);
  const described = present({
    cpuMilli: amountOf('cpu', 'milli'),
    memoryBytes: amountOf('memory', 'one'),
    ephemeralStorageBytes: amountOf('ephemeral-storage', 'one'),
  });
  return Object.keys(described).length === 0 ? undefined : described;
}

/** Has no disk space: the metrics API does not measure it. */
function describeUsage(usage: Readonly<Record<string, string>> = {}): ContainerUsage | undefined {
  const { cpuMilli, memoryBytes } = describeAmounts(usage) ?? {};
  return cpuMilli === undefined || memoryBytes === undefined ? undefined : { cpuMilli, memoryBytes };
}

function describeState({ running, terminated, waiting }: V1ContainerState): KubernetesContainerState {
  if (running !== undefined) return present({ kind: 'running' as const, startedAt: running.startedAt });
  if (terminated !== undefined) return { kind: 'terminated', termination: describeTermination(terminated) };
  return present({ kind: 'waiting' as const, reason: waiting?.reason, message: waiting?.message });
}

function describeTermination(terminated: V1ContainerStateTerminated): TerminationInfo {
  const { exitCode, reason, message, startedAt, finishedAt } = terminated;
  return present({ exitCode, reason, message, startedAt, finishedAt });
}

function describeEvents(events: readonly PodEvent[]): PodEventInfo[] {
  return events.map(describeEvent).sort((a, b) => (a.lastAt?.getTime() ?? 0) - (b.lastAt?.getTime() ?? 0));
}

/** An event has its times and its count in older fields, or in newer ones. */
function describeEvent(event: PodEvent): PodEventInfo {
  const { type = 'Normal', reason = '', message = '', series, source } = event;
  const firstAt = event.firstTimestamp ?? event.eventTime ?? event.metadata.creationTimestamp;
  return present({
    type,
    reason,
    message,
    count: series?.count ?? event.count ?? 1,
    firstAt,
    lastAt: series?.lastObservedTime ?? event.lastTimestamp ?? firstAt,
    source: [source?.component, event.reportingComponent].find((name) => name !== undefined && name !== ''),
  });
}

/** Returns the object without the fields that are undefined. */
function present<T extends object>(object: T): T {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as T;
}
