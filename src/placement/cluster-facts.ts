import type { ApiCallFacts } from '../errors/cluster.ts';
import type { KubernetesNode, Pod, ResourceQuota } from '../kubernetes/cluster.ts';
import type { NodesFacts, QuotaFacts } from '../runtime/placement.ts';
import { amountOf, amountsOf, type Quantities, sumOf } from './resource-amounts.ts';

const zoneLabel = 'topology.kubernetes.io/zone';

/** @throws ApiUnavailableError - a text is not a quantity */
export function nodesFacts(nodes: readonly KubernetesNode[], call: ApiCallFacts): NodesFacts {
  const ready = nodes.filter(isReady);
  const zones = new Set(nodes.flatMap((node) => zoneOf(node) ?? []));
  return {
    count: nodes.length,
    ready: ready.length,
    zones: [...zones].sort(),
    capacity: sumOf(nodes.map(({ status }) => amountsOf(status?.capacity, call))),
    allocatable: sumOf(ready.map(({ status }) => amountsOf(status?.allocatable, call))),
  };
}

/** Returns the zone of a node, or of a pod whose labels have that of its node. */
export function zoneOf({ metadata }: KubernetesNode | Pod): string | undefined {
  return metadata?.labels?.[zoneLabel];
}

/** @throws ApiUnavailableError - a text is not a quantity */
export function quotaFacts({ metadata, spec, status }: ResourceQuota, call: ApiCallFacts): QuotaFacts {
  const amounts = (quantities: Quantities): Readonly<Record<string, number>> =>
    Object.fromEntries(
      Object.entries(quantities ?? {}).map(([resource, quantity]) => [resource, amountOf(resource, quantity, call)]),
    );
  return { name: metadata?.name ?? '', hard: amounts(spec?.hard), used: amounts(status?.used) };
}

/** Whether a pod holds resources of its node, or will. */
export function isActive({ status }: Pod): boolean {
  return status?.phase !== 'Succeeded' && status?.phase !== 'Failed';
}

/**
 * Whether the agent of a pod, which has answered before, serves its volumes. The node may report the
 * phase `Running` later.
 */
export function isServing(pod: Pod): boolean {
  return isActive(pod) && pod.spec?.nodeName !== undefined && pod.metadata?.deletionTimestamp === undefined;
}

function isReady({ spec, status }: KubernetesNode): boolean {
  const isReported = status?.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True');
  return isReported === true && spec?.unschedulable !== true;
}
