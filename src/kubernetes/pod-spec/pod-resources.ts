import type { V1ResourceRequirements } from '@kubernetes/client-node';

import type { ContainerLimits, ContainerRequests } from '../../runtime/resources.ts';

/**
 * Returns the resources of a Kubernetes container. Kubernetes reserves the limit of a resource
 * without a request. The pod contains it explicitly, so that the reservation is visible.
 */
export function resources(limits: ContainerLimits, requests: ContainerRequests = {}): V1ResourceRequirements {
  const upper = quantities(limits);
  const reserved = { ...upper, ...quantities(requests) };
  return { ...(isEmpty(upper) ? {} : { limits: upper }), ...(isEmpty(reserved) ? {} : { requests: reserved }) };
}

function quantities({ cpuMilli, memoryBytes, ephemeralStorageBytes }: ContainerLimits): Record<string, string> {
  return {
    ...(cpuMilli === undefined ? {} : { cpu: `${cpuMilli}m` }),
    ...(memoryBytes === undefined ? {} : { memory: String(memoryBytes) }),
    ...(ephemeralStorageBytes === undefined ? {} : { 'ephemeral-storage': String(ephemeralStorageBytes) }),
  };
}

function isEmpty(object: object): boolean {
  return Object.keys(object).length === 0;
}
