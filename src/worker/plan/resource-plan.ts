import { InvalidSpecError } from '../../errors/caller.ts';
import type { ContainerLimits, ContainerRequests } from '../../runtime/resources.ts';

/**
 * Checks the limits and requests of one Kubernetes container.
 *
 * @param prefix - what precedes `limits` and `requests` in the names of fields
 * @throws InvalidSpecError - a value is no size, or a request exceeds its limit
 */
export function checkResources(
  prefix: string,
  limits: ContainerLimits | undefined = {},
  requests: ContainerRequests | undefined,
): void {
  for (const [name, value] of Object.entries<number | undefined>({ ...limits }))
    checkAmount(`${prefix}limits.${name}`, value, 1);
  for (const [name, value] of Object.entries<number | undefined>({ ...requests })) {
    checkAmount(`${prefix}requests.${name}`, value, 0);
    const limit = limits[name as keyof ContainerLimits];
    if (value !== undefined && limit !== undefined && value > limit)
      throw new InvalidSpecError(`${prefix}requests.${name}`, `${value} is more than limits.${name}, ${limit}`);
  }
}

/** @throws InvalidSpecError - the value is no integer of at least `least` */
export function checkAmount(field: string, value: number | undefined, least: 0 | 1): void {
  if (value !== undefined && !(Number.isSafeInteger(value) && value >= least))
    throw new InvalidSpecError(field, least === 1 ? 'is not a positive integer' : 'is not 0 or a positive integer');
}
