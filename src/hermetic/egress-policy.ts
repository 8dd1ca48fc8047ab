import type { NetworkPolicy } from '../kubernetes/cluster.ts';
import { hermeticLabels } from '../kubernetes/pod-spec/labels.ts';

/** The name of the network policy of all hermetic pods of a namespace. */
export const egressPolicyName = 'kubernetes-worker-hermetic';

type PodSelector = NonNullable<NetworkPolicy['spec']>['podSelector'];
type Requirement = NonNullable<NonNullable<PodSelector>['matchExpressions']>[number];
type Labels = Readonly<Record<string, string>>;

/** Returns the network policy that denies hermetic pods to send. */
export function egressPolicy(): NetworkPolicy {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: egressPolicyName, labels: { 'app.kubernetes.io/managed-by': 'kubernetes-worker' } },
    spec: { podSelector: { matchLabels: { ...hermeticLabels() } }, policyTypes: ['Egress'] },
  };
}

/** Returns the library's own policy among those of a namespace. */
export function ownPolicy(policies: readonly NetworkPolicy[]): NetworkPolicy | undefined {
  return policies.find(({ metadata }) => metadata?.name === egressPolicyName);
}

/**
 * Returns why the policy does not deny all that hermetic pods send, or `undefined` if it does. Rules
 * for what pods receive are the operator's.
 */
export function policyProblem({ spec }: NetworkPolicy): string | undefined {
  if (spec?.policyTypes?.includes('Egress') !== true) return `${egressPolicyName} does not apply to egress`;
  if (permitsEgress({ spec })) return `${egressPolicyName} has rules that permit egress`;
  const { matchLabels = {}, matchExpressions = [] } = spec.podSelector ?? {};
  const selected = Object.entries(hermeticLabels());
  const coversAll =
    matchExpressions.length === 0 &&
    Object.entries(matchLabels).every(([key, value]) => hermeticLabels()[key] === value);
  const expected = selected.map(([key, value]) => `${key}=${value}`).join();
  return coversAll ? undefined : `${egressPolicyName} does not select all pods with the label ${expected}`;
}

/**
 * Returns the names of the policies that permit a pod with these labels to send. Network policies
 * are additive: one that permits what another does not permit takes effect.
 */
export function permittingPolicies(policies: readonly NetworkPolicy[], labels: Labels): readonly string[] {
  return policies
    .filter((policy) => permitsEgress(policy) && selects(policy.spec?.podSelector, labels))
    .map(({ metadata }) => metadata?.name ?? '');
}

function permitsEgress({ spec }: Pick<NetworkPolicy, 'spec'>): boolean {
  return (spec?.egress ?? []).length > 0;
}

/** A selector without requirements selects every pod. */
function selects(selector: PodSelector, labels: Labels): boolean {
  const { matchLabels = {}, matchExpressions = [] } = selector ?? {};
  return (
    Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
    matchExpressions.every((requirement) => satisfies(requirement, labels))
  );
}

function satisfies({ key, operator, values = [] }: Requirement, labels: Labels): boolean {
  const value = labels[key];
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'DoesNotExist':
      return value === undefined;
    case 'Exists':
      return value !== undefined;
    default:
      // An operator of a later Kubernetes version: the policy may select the pod.
      return true;
  }
}
