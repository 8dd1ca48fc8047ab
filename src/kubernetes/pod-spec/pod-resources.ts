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

const factors: Readonly<Record<string, number>> = {
  m: 1e-3,
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

/** Returns the number of a quantity such as `500m` or `2Gi`, or `undefined` if it is none. */
export function quantityValue(quantity: string): number | undefined {
  const [, digits, suffix = ''] = /^(\d{1,18}(?:\.\d{1,9})?)([a-zA-Z]{0,2})$/.exec(quantity) ?? [];
  const factor = Object.hasOwn(factors, suffix) ? factors[suffix] : undefined;
  return digits === undefined || factor === undefined ? undefined : Number(digits) * factor;
}

function isEmpty(object: object): boolean {
  return Object.keys(object).length === 0;
}
