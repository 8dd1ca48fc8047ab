import { type ApiCallFacts, ApiUnavailableError } from '../errors/cluster.ts';
import type { Pod } from '../kubernetes/cluster.ts';
import { quantityIn } from '../kubernetes/quantity.ts';
import type { ResourceAmounts } from '../runtime/placement.ts';

/** Quantities by the name of their resource, as Kubernetes writes them. */
export type Quantities = Readonly<Record<string, string>> | undefined;

/** The parts of a Kubernetes container that determine what its pod requests. */
interface Requesting {
  readonly restartPolicy?: string;
  readonly resources?: { readonly requests?: Quantities };
}

const none: ResourceAmounts = { cpuMilli: 0, memoryBytes: 0, ephemeralStorageBytes: 0 };

/**
 * Returns the amount of a quantity: of CPU in thousandths, of everything else in whole units.
 *
 * @throws ApiUnavailableError - the text is not a quantity
 */
export function amountOf(resource: string, quantity: string, call: ApiCallFacts): number {
  const amount = quantityIn(quantity, /(^|\.)cpu$/.test(resource) ? 'milli' : 'one');
  if (amount === undefined)
    throw new ApiUnavailableError(call, `${resource} ${JSON.stringify(quantity)} is not a quantity`, undefined);
  return amount;
}

/** @throws ApiUnavailableError - a text is not a quantity */
export function amountsOf(quantities: Quantities, call: ApiCallFacts): ResourceAmounts {
  const amount = (resource: string): number => amountOf(resource, quantities?.[resource] ?? '0', call);
  return {
    cpuMilli: amount('cpu'),
    memoryBytes: amount('memory'),
    ephemeralStorageBytes: amount('ephemeral-storage'),
  };
}

export function sumOf(amounts: readonly ResourceAmounts[]): ResourceAmounts {
  return amounts.reduce((one, other) => combine(one, other, (a, b) => a + b), none);
}

/**
 * Returns what the scheduler reserves for a pod: the sum of its containers, or more while one of
 * its init containers runs, and the overhead. A restartable init container is a sidecar, which runs
 * beside all later containers.
 *
 * @throws ApiUnavailableError - a text is not a quantity
 */
export function requestsOf({ spec }: Pod, call: ApiCallFacts): ResourceAmounts {
  const requests = ({ resources }: Requesting): ResourceAmounts => amountsOf(resources?.requests, call);
  let sidecars = none;
  let highest = none;
  for (const init of spec?.initContainers ?? []) {
    const running = sumOf([sidecars, requests(init)]);
    if (init.restartPolicy === 'Always') sidecars = running;
    highest = combine(highest, running, Math.max);
  }
  const containers = sumOf([sidecars, ...(spec?.containers ?? []).map(requests)]);
  return sumOf([combine(highest, containers, Math.max), amountsOf(spec?.overhead, call)]);
}

function combine(one: ResourceAmounts, other: ResourceAmounts, by: (a: number, b: number) => number): ResourceAmounts {
  return {
    cpuMilli: by(one.cpuMilli, other.cpuMilli),
    memoryBytes: by(one.memoryBytes, other.memoryBytes),
    ephemeralStorageBytes: by(one.ephemeralStorageBytes, other.ephemeralStorageBytes),
  };
}
