import type { Pod } from '../cluster.ts';

/**
 * Returns whether the pod's node is not ready, or no longer reports: then Kubernetes sets `Ready`
 * to `False` and leaves `ContainersReady` as the node has reported it. A node derives `Ready` from
 * `ContainersReady`, unless the pod has readiness gates.
 */
export function isNodeNotReady({ spec, status }: Pod): boolean {
  if ((spec?.readinessGates?.length ?? 0) > 0) return false;
  const statusOf = (type: string): string | undefined =>
    status?.conditions?.find((condition) => condition.type === type)?.status;
  return statusOf('Ready') === 'False' && statusOf('ContainersReady') === 'True';
}
