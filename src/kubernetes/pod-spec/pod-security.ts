import type { V1PodSecurityContext, V1SecurityContext } from '@kubernetes/client-node';

import { InvalidSpecError } from '../../errors/caller.ts';
import type { PodOptions } from '../../runtime/pod-options.ts';
import { copyOf } from './copy-of.ts';

/**
 * Returns the security context of the pod.
 *
 * @param fsGroupChangePolicy - when the kubelet changes the group of files. By default, always
 */
export function podSecurityContext(options: PodOptions, fsGroupChangePolicy?: 'OnRootMismatch'): V1PodSecurityContext {
  const {
    runAsUser,
    runAsGroup,
    fsGroup,
    supplementalGroups,
    seccompProfile = 'RuntimeDefault',
    seLinuxOptions,
  } = options;
  const runAsNonRoot = isRestricted(options) ? true : options.runAsNonRoot;
  return {
    seccompProfile: { type: seccompProfile },
    ...(runAsNonRoot === undefined ? {} : { runAsNonRoot }),
    ...(runAsUser === undefined ? {} : { runAsUser }),
    ...(runAsGroup === undefined ? {} : { runAsGroup }),
    ...(fsGroup === undefined ? {} : { fsGroup }),
    ...(fsGroupChangePolicy === undefined ? {} : { fsGroupChangePolicy }),
    ...(supplementalGroups === undefined ? {} : { supplementalGroups: [...supplementalGroups] }),
    ...(seLinuxOptions === undefined ? {} : { seLinuxOptions: copyOf(seLinuxOptions) }),
  };
}

/**
 * Returns the security context of the main Kubernetes container.
 *
 * @throws InvalidSpecError - an option contradicts restricted security
 */
export function mainSecurityContext(
  options: PodOptions,
  { privileged, hermetic }: { readonly privileged: boolean; readonly hermetic?: boolean | undefined },
): V1SecurityContext {
  if (privileged && isRestricted(options))
    throw new InvalidSpecError('privileged', 'true is not allowed with restricted security');
  if (privileged) return { privileged, ...rootFilesystem(options) };
  const { addCapabilities: add = [] } = options;
  if (hermetic === true && add.length > 0)
    throw new InvalidSpecError('hermetic', 'true is not allowed with pod.addCapabilities');
  return hermetic === true ? hermeticSecurityContext(options) : containerSecurityContext(options, add);
}

/**
 * Returns the security context of a sidecar, which is never privileged and gets no capability.
 *
 * @throws InvalidSpecError - an option contradicts restricted security
 */
export function sidecarSecurityContext(options: PodOptions, hermetic = false): V1SecurityContext {
  return hermetic ? hermeticSecurityContext(options) : containerSecurityContext(options, []);
}

/**
 * What the agent needs as root: other users' files in volumes, commands as other users and signals
 * to them. All are in the default set of container runtimes.
 */
const agentCapabilities = ['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'KILL', 'SETGID', 'SETUID'];

/** A hermetic container has the capabilities of the agent only, without those that options drop. */
function hermeticSecurityContext(options: PodOptions): V1SecurityContext {
  const { dropCapabilities: dropped = [] } = options;
  const dropsAll = isRestricted(options) || dropped.includes('ALL');
  const add = dropsAll ? [] : agentCapabilities.filter((capability) => !dropped.includes(capability));
  return containerSecurityContext({ ...options, dropCapabilities: ['ALL'] }, add);
}

function containerSecurityContext(options: PodOptions, add: readonly string[]): V1SecurityContext {
  checkRestricted('pod', options);
  const drop = options.dropCapabilities ?? (isRestricted(options) ? ['ALL'] : []);
  const capabilities = {
    ...(add.length === 0 ? {} : { add: [...add] }),
    ...(drop.length === 0 ? {} : { drop: [...drop] }),
  };
  return {
    allowPrivilegeEscalation: false,
    ...rootFilesystem(options),
    ...(add.length + drop.length === 0 ? {} : { capabilities }),
  };
}

function rootFilesystem({ readOnlyRootFilesystem }: PodOptions): Pick<V1SecurityContext, 'readOnlyRootFilesystem'> {
  return readOnlyRootFilesystem === undefined ? {} : { readOnlyRootFilesystem };
}

/**
 * Checks that no option contradicts restricted security.
 *
 * @param parameter - the parameter with the options, for errors
 * @throws InvalidSpecError
 */
export function checkRestricted(parameter: string, options: PodOptions): void {
  if (!isRestricted(options)) return;
  const problem = (field: keyof PodOptions, value: string): InvalidSpecError =>
    new InvalidSpecError(`${parameter}.${field}`, `${value} is not allowed with restricted security`);
  if (options.seccompProfile === 'Unconfined') throw problem('seccompProfile', 'Unconfined');
  if (options.runAsUser === 0) throw problem('runAsUser', '0');
  if (options.runAsNonRoot === false) throw problem('runAsNonRoot', 'false');
  if (options.dropCapabilities !== undefined && !options.dropCapabilities.includes('ALL'))
    throw problem('dropCapabilities', 'a list without ALL');
  if ((options.addCapabilities ?? []).length > 0) throw problem('addCapabilities', 'a capability');
}

function isRestricted({ security }: PodOptions): boolean {
  return security === 'restricted';
}
