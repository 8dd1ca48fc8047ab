import { InvalidSpecError } from '../../errors/caller.ts';
import type { PodOptions, PodOwnerReference } from '../../runtime/pod-options.ts';
import { isLabelValue, isLibraryKey } from './labels.ts';
import { checkOverlay } from './pod-overlay-check.ts';
import { checkRestricted } from './pod-security.ts';

/**
 * Checks the values of a worker's or a container's options, whose shapes are correct.
 *
 * @param parameter - the parameter with the options, for errors
 * @throws InvalidSpecError - names the field
 */
export function checkPodOptions(parameter: string, options: PodOptions | undefined): void {
  if (options === undefined) return;
  checkLabels(`${parameter}.labels`, options.labels);
  checkKeys(`${parameter}.annotations`, options.annotations);
  checkCapabilities(`${parameter}.addCapabilities`, options.addCapabilities);
  checkCapabilities(`${parameter}.dropCapabilities`, options.dropCapabilities);
  checkRestricted(parameter, options);
  checkOwnerReferences(`${parameter}.ownerReferences`, options.ownerReferences);
  if (options.overlay === undefined) return;
  const { metadata = {} } = options.overlay;
  checkLabels(`${parameter}.overlay.metadata.labels`, metadata.labels);
  checkKeys(`${parameter}.overlay.metadata.annotations`, metadata.annotations);
  checkOverlay(`${parameter}.overlay`, options.overlay);
}

/** @throws InvalidSpecError - not a prefix that Kubernetes accepts in keys and leaves to others */
export function checkLabelPrefix(parameter: string, prefix: string | undefined): void {
  if (prefix === undefined) return;
  if (!isSubdomain(prefix)) throw new InvalidSpecError(parameter, 'is not a DNS subdomain, such as ci.example');
  if (/(^|\.)(kubernetes|k8s)\.io$/.test(prefix)) throw new InvalidSpecError(parameter, 'is reserved for Kubernetes');
}

function checkLabels(field: string, labels: Readonly<Record<string, string>> = {}): void {
  checkKeys(field, labels);
  for (const [key, value] of Object.entries(labels)) {
    if (value !== '' && !isLabelValue(value)) throw new InvalidSpecError(`${field}.${key}`, labelProblem(value));
  }
}

function labelProblem(value: string): string {
  return value.length > 63
    ? `has ${value.length} characters, more than the 63 of a label's value`
    : 'is not [A-Za-z0-9._-] with a letter or a digit at both ends';
}

function checkKeys(field: string, map: Readonly<Record<string, string>> = {}): void {
  for (const key of Object.keys(map)) {
    if (!isKey(key)) throw new InvalidSpecError(`${field}.${key}`, 'is not [prefix/]name, as Kubernetes requires');
    if (isLibraryKey(key)) throw new InvalidSpecError(`${field}.${key}`, 'is set by the library: use another key');
  }
}

function isKey(key: string): boolean {
  const slash = key.indexOf('/');
  const prefix = slash < 0 ? undefined : key.slice(0, slash);
  return isLabelValue(key.slice(slash + 1)) && (prefix === undefined || isSubdomain(prefix));
}

function isSubdomain(text: string): boolean {
  return text.length <= 253 && /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/.test(text);
}

function checkCapabilities(field: string, names: readonly string[] = []): void {
  for (const [index, name] of names.entries()) {
    if (!/^[A-Z][A-Z0-9_]*$/.test(name) || name.startsWith('CAP_'))
      throw new InvalidSpecError(`${field}[${index}]`, 'is not a capability like NET_RAW, without CAP_');
  }
}

function checkOwnerReferences(field: string, owners: readonly PodOwnerReference[] = []): void {
  for (const [index, owner] of owners.entries()) {
    for (const name of ['apiVersion', 'kind', 'name', 'uid'] as const) {
      if (owner[name] === '') throw new InvalidSpecError(`${field}[${index}].${name}`, 'is empty');
    }
    const before = owners.slice(0, index);
    if (before.some(({ uid }) => uid === owner.uid))
      throw new InvalidSpecError(`${field}[${index}].uid`, 'is already in use');
    if (owner.controller === true && before.some(({ controller }) => controller === true))
      throw new InvalidSpecError(`${field}[${index}].controller`, 'is true for another owner as well');
  }
}
