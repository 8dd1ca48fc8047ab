import type { V1Container, V1PodSpec } from '@kubernetes/client-node';
import { type ApiObject, isRecord } from './api-object.ts';
import { checkDnsLabel, checkEnvName } from './names.ts';
import { parseQuantity } from './quantity.ts';
import type { StatusCause } from './status.ts';
import {
  checkName,
  duplicateValue,
  forbidden,
  invalidValue,
  notFoundValue,
  required,
  unsupportedValue,
} from './validation.ts';

const RESTART_POLICIES = ['Always', 'OnFailure', 'Never'] as const;
const SPEC_IS_FIXED =
  'pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)';

/** Whether a value can be read as a pod's spec at all: the lists that are there are lists of objects. */
function isPodSpec(value: unknown): value is V1PodSpec {
  if (!isRecord(value)) return false;
  const lists = ['containers', 'initContainers', 'volumes', 'imagePullSecrets', 'tolerations'];
  return lists.every(
    (list) =>
      value[list] === undefined || value[list] === null || (Array.isArray(value[list]) && value[list].every(isRecord)),
  );
}

/** Everything that is wrong with a pod's spec, with the fields and the words of the real server. */
export function validatePodSpec(spec: unknown): StatusCause[] {
  if (!isPodSpec(spec)) return [required('spec.containers')];
  const causes: StatusCause[] = [];
  const volumes = new Set<string>();
  for (const [index, volume] of (spec.volumes ?? []).entries()) {
    const field = `spec.volumes[${index}]`;
    causes.push(...checkName(`${field}.name`, volume.name, checkDnsLabel));
    if (volumes.has(volume.name)) causes.push(duplicateValue(`${field}.name`, volume.name));
    volumes.add(volume.name);
    if (volume.persistentVolumeClaim && !volume.persistentVolumeClaim.claimName)
      causes.push(required(`${field}.persistentVolumeClaim.claimName`));
    if (volume.hostPath && !volume.hostPath.path) causes.push(required(`${field}.hostPath.path`));
  }
  if (!spec.containers || spec.containers.length === 0) causes.push(required('spec.containers'));
  const names = new Set<string>();
  for (const list of ['containers', 'initContainers'] as const) {
    for (const [index, container] of (spec[list] ?? []).entries()) {
      causes.push(...validateContainer(`spec.${list}[${index}]`, container, volumes));
      if (names.has(container.name)) causes.push(duplicateValue(`spec.${list}[${index}].name`, container.name));
      names.add(container.name);
    }
  }
  const policy: string | undefined = spec.restartPolicy;
  if (policy !== undefined && !RESTART_POLICIES.some((known) => known === policy))
    causes.push(unsupportedValue('spec.restartPolicy', policy, RESTART_POLICIES));
  const deadline = spec.activeDeadlineSeconds;
  if (deadline !== undefined && deadline !== null && !(deadline >= 1))
    causes.push(invalidValue('spec.activeDeadlineSeconds', deadline, 'must be between 1 and 2147483647, inclusive'));
  return causes;
}

function validateContainer(field: string, container: V1Container, volumes: ReadonlySet<string>): StatusCause[] {
  const causes = checkName(`${field}.name`, container.name, checkDnsLabel);
  if (!container.image) causes.push(required(`${field}.image`));
  for (const [index, variable] of (container.env ?? []).entries()) {
    causes.push(...checkName(`${field}.env[${index}].name`, variable.name, checkEnvName));
    if (variable.value && variable.valueFrom)
      causes.push(
        invalidValue(`${field}.env[${index}].valueFrom`, '', 'may not be specified when `value` is not empty'),
      );
  }
  const paths = new Set<string>();
  for (const [index, mount] of (container.volumeMounts ?? []).entries()) {
    const at = `${field}.volumeMounts[${index}]`;
    if (!mount.name) causes.push(required(`${at}.name`));
    if (!volumes.has(mount.name)) causes.push(notFoundValue(`${at}.name`, mount.name ?? ''));
    if (!mount.mountPath) causes.push(required(`${at}.mountPath`));
    else if (paths.has(mount.mountPath))
      causes.push(invalidValue(`${at}.mountPath`, mount.mountPath, 'must be unique'));
    paths.add(mount.mountPath);
    if (mount.subPath?.startsWith('/'))
      causes.push(invalidValue(`${at}.subPath`, mount.subPath, 'must be a relative path'));
    if (mount.subPath?.split('/').includes('../..'))
      causes.push(invalidValue(`${at}.subPath`, mount.subPath, "must not contain '../..'"));
  }
  for (const list of ['requests', 'limits'] as const) {
    for (const [name, quantity] of Object.entries(container.resources?.[list] ?? {})) {
      if (parseQuantity(String(quantity)) === undefined)
        causes.push(invalidValue(`${field}.resources.${list}[${name}]`, quantity, 'must be a quantity'));
    }
  }
  return causes;
}

/** Faults of replacing a pod: nearly all of its spec is fixed. */
export function validatePodUpdate(previous: ApiObject, next: ApiObject): StatusCause[] {
  if (JSON.stringify(fixedPart(previous.spec)) === JSON.stringify(fixedPart(next.spec))) return [];
  return [forbidden('spec', SPEC_IS_FIXED)];
}

function fixedPart(spec: unknown): unknown {
  if (!isRecord(spec)) return spec;
  const {
    activeDeadlineSeconds: _deadline,
    tolerations: _tolerations,
    terminationGracePeriodSeconds: _grace,
    ...rest
  } = spec;
  const withoutImages = (list: unknown) =>
    Array.isArray(list)
      ? list.map((container: unknown) => (isRecord(container) ? sorted({ ...container, image: '' }) : container))
      : list;
  return sorted({
    ...rest,
    containers: withoutImages(rest['containers']),
    initContainers: withoutImages(rest['initContainers']),
  });
}

function sorted(value: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, each]) => each !== undefined && each !== null)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, each]) => [name, sortedWithin(each)]),
  );
}

function sortedWithin(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortedWithin);
  return isRecord(value) ? sorted(value) : value;
}
