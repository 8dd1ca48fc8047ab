import { InvalidSpecError } from '../../errors/caller.ts';
import { checkMountIsFree, cleanPath } from '../../kubernetes/pod-spec/pod-mount-path.ts';
import type { PlannedSecretMount } from '../../kubernetes/pod-spec/pod-spec.ts';
import type { SecretKey, SecretMount } from '../../runtime/secrets.ts';

const defaultMode = 0o400;

/**
 * Checks variables whose values are in secrets.
 *
 * @param env - the `NAME=value` entries of the same Kubernetes container
 * @throws InvalidSpecError - names the variable
 */
export function checkSecretEnv(
  field: string,
  secrets: Readonly<Record<string, SecretKey>> = {},
  env: readonly string[] = [],
): Readonly<Record<string, SecretKey>> {
  const literals = new Set(env.map((entry) => entry.slice(0, entry.indexOf('='))));
  for (const [name, { secretName, key }] of Object.entries(secrets)) {
    const variable = `${field}.${name}`;
    if (!/^[-._a-zA-Z][-._a-zA-Z0-9]*$/.test(name))
      throw new InvalidSpecError(variable, 'is not a name of [A-Za-z0-9._-] that does not start with a digit');
    if (literals.has(name)) throw new InvalidSpecError(variable, 'is also in env: remove one of the two');
    checkSecretName(`${variable}.secretName`, secretName);
    if (!/^[-._a-zA-Z0-9]{1,253}$/.test(key))
      throw new InvalidSpecError(`${variable}.key`, 'is not a key of a secret: 1 to 253 characters of [A-Za-z0-9._-]');
  }
  return secrets;
}

/**
 * Plans the mounts of secrets.
 *
 * @param taken - the paths of all other mounts
 * @throws InvalidSpecError - names the mount
 */
export function planSecretMounts(
  mounts: readonly SecretMount[],
  dir: string | undefined,
  taken: readonly string[],
): readonly PlannedSecretMount[] {
  const planned: PlannedSecretMount[] = [];
  for (const [index, { secretName, path, mode = defaultMode, optional }] of mounts.entries()) {
    const field = `secretMounts[${index}]`;
    checkSecretName(`${field}.secretName`, secretName);
    const mountPath = cleanPath(`${field}.path`, path, dir);
    const others = planned.map((mount) => mount.mountPath);
    checkMountIsFree(`${field}.path`, mountPath, [...taken, ...others], others);
    if (!Number.isInteger(mode) || mode < 0 || mode > 0o777)
      throw new InvalidSpecError(`${field}.mode`, 'is not from 0 to 0o777');
    planned.push({ secretName, mountPath, mode, optional });
  }
  return planned;
}

function checkSecretName(field: string, name: string): void {
  if (name.length > 253 || !/^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$/.test(name))
    throw new InvalidSpecError(field, 'is not the name of a secret');
}
