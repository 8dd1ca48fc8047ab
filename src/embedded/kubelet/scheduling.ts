import type { V1Container, V1NodeSelectorRequirement, V1NodeSelectorTerm } from '@kubernetes/client-node';
import type { Pod } from '../objects/api-object.ts';
import { parseQuantity } from '../objects/quantity.ts';

/** The labels and the capacity of the one node. */
export interface NodeFacts {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly cpuCores: number;
  readonly memoryBytes: number;
}

/**
 * Returns the reason why the pod cannot run on the node, in the scheduler's words. Returns
 * `undefined` if it can.
 */
export function unschedulableReason(pod: Pod, node: NodeFacts): string | undefined {
  const fault = nodeFault(pod, node);
  if (fault === undefined) return undefined;
  return `0/1 nodes are available: 1 ${fault}. no new claims to deallocate, preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.`;
}

function nodeFault(pod: Pod, node: NodeFacts): string | undefined {
  const { nodeSelector = {}, affinity } = pod.spec;
  const selected = Object.entries(nodeSelector).every(([key, value]) => node.labels[key] === value);
  const terms = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
  const matches = terms === undefined || terms.some((term) => termMatches(term, node));
  if (!selected || !matches) return "node(s) didn't match Pod's node affinity/selector";
  if (requested(pod, 'cpu') > node.cpuCores) return 'Insufficient cpu';
  if (requested(pod, 'memory') > node.memoryBytes) return 'Insufficient memory';
  return undefined;
}

function termMatches(term: V1NodeSelectorTerm, node: NodeFacts): boolean {
  const labels = (term.matchExpressions ?? []).every((requirement) => requirementMatches(requirement, node.labels));
  const fields = (term.matchFields ?? []).every((requirement) =>
    requirementMatches(requirement, { 'metadata.name': node.name }),
  );
  const empty = (term.matchExpressions ?? []).length + (term.matchFields ?? []).length === 0;
  return labels && fields && !empty;
}

function requirementMatches(
  { key, operator, values = [] }: V1NodeSelectorRequirement,
  labels: Readonly<Record<string, string>>,
): boolean {
  const value = labels[key];
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    case 'Gt':
      return Number(value) > Number(values[0]);
    case 'Lt':
      return Number(value) < Number(values[0]);
    default:
      return false;
  }
}

/**
 * Returns the requests of a pod: the sum of its containers, or its largest init container if that
 * is more.
 */
function requested(pod: Pod, resource: 'cpu' | 'memory'): number {
  const of = (container: V1Container) => {
    const { requests, limits } = container.resources ?? {};
    return parseQuantity(String(requests?.[resource] ?? limits?.[resource] ?? '0')) ?? 0;
  };
  const sum = pod.spec.containers.reduce((total, container) => total + of(container), 0);
  return Math.max(sum, ...(pod.spec.initContainers ?? []).map(of));
}
