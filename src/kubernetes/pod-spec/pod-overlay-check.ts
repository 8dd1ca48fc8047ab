import { InvalidSpecError } from '../../errors/caller.ts';
import type { PodOverlay, PodOverlayContainer, PodOverlayVolume } from '../../runtime/pod-overlay.ts';
import { quantityIn } from '../quantity.ts';
import { cleanPath } from './pod-mount-path.ts';

/** The library's volumes have names that start with this prefix. */
const reservedPrefix = 'kw-';
const sources = ['secret', 'configMap', 'emptyDir', 'persistentVolumeClaim', 'image'] as const;

/**
 * Checks the values of an overlay whose shape is correct, without the pod.
 *
 * @throws InvalidSpecError - names the field
 */
export function checkOverlay(field: string, { spec = {} }: PodOverlay): void {
  const { containers = [], volumes = [], hostAliases = [] } = spec;
  if (containers.length > 1) throw new InvalidSpecError(`${field}.spec.containers`, 'has more than one entry');
  checkUnique(`${field}.spec.volumes`, 'name', volumes);
  checkUnique(`${field}.spec.hostAliases`, 'ip', hostAliases);
  for (const [index, volume] of volumes.entries()) checkVolume(`${field}.spec.volumes[${index}]`, volume);
  for (const container of containers) checkContainer(`${field}.spec.containers[0]`, container);
}

function checkVolume(field: string, volume: PodOverlayVolume): void {
  if (!/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(volume.name))
    throw new InvalidSpecError(`${field}.name`, `${JSON.stringify(volume.name)} is not a DNS label`);
  if (volume.name.startsWith(reservedPrefix))
    throw new InvalidSpecError(`${field}.name`, `${volume.name} is reserved: ${reservedPrefix} belongs to the library`);
  const given = sources.filter((source) => volume[source] !== undefined);
  if (given.length !== 1)
    throw new InvalidSpecError(field, `has ${given.length} sources: set exactly one of ${sources.join(', ')}`);
  const { sizeLimit } = volume.emptyDir ?? {};
  if (sizeLimit !== undefined) checkQuantity(`${field}.emptyDir.sizeLimit`, sizeLimit);
}

function checkContainer(field: string, { volumeMounts = [], resources = {} }: PodOverlayContainer): void {
  checkUnique(`${field}.volumeMounts`, 'mountPath', volumeMounts);
  for (const [index, { mountPath, subPath = '' }] of volumeMounts.entries()) {
    const mount = `${field}.volumeMounts[${index}]`;
    if (cleanPath(`${mount}.mountPath`, mountPath, undefined) !== mountPath)
      throw new InvalidSpecError(`${mount}.mountPath`, `${JSON.stringify(mountPath)} is not normalized`);
    if (subPath.startsWith('/') || subPath.split('/').includes('..'))
      throw new InvalidSpecError(`${mount}.subPath`, `${JSON.stringify(subPath)} is absolute or contains ".."`);
  }
  for (const [name, quantity] of Object.entries<string | undefined>({ ...resources.requests })) {
    if (quantity !== undefined) checkQuantity(`${field}.resources.requests.${name}`, quantity);
  }
}

function checkQuantity(field: string, quantity: string): void {
  if (quantityIn(quantity, 'one') === undefined)
    throw new InvalidSpecError(field, `${JSON.stringify(quantity)} is not a quantity such as 500m or 2Gi`);
}

function checkUnique<Key extends string>(
  field: string,
  key: Key,
  entries: readonly Readonly<Record<Key, string>>[],
): void {
  const seen = new Set<string>();
  for (const [index, entry] of entries.entries()) {
    if (seen.has(entry[key]))
      throw new InvalidSpecError(`${field}[${index}].${key}`, `${JSON.stringify(entry[key])} is already in use`);
    seen.add(entry[key]);
  }
}
