import type { V1PodSecurityContext, V1SecurityContext } from '@kubernetes/client-node';

import { InvalidSpecError } from '../errors/caller.ts';
import type { PodOptions } from './pod-options.ts';

/** Returns the security context of the pod. */
export function podSecurityContext(options: PodOptions): V1PodSecurityContext {
  const { runAsUser, runAsGroup, fsGroup, supplementalGroups, seccompProfile = 'RuntimeDefault' } = options;
  const runAsNonRoot = isRestricted(options) ? true : options.runAsNonRoot;
  return {
    seccompProfile: { type: seccompProfile },
    ...(runAsNonRoot === undefined ? {} : { runAsNonRoot }),
    ...(runAsUser === undefined ? {} : { runAsUser }),
    ...(runAsGroup === undefined ? {} : { runAsGroup }),
    ...(fsGroup === undefined ? {} : { fsGroup }),
    ...(supplementalGroups === undefined ? {} : { supplementalGroups: [...supplementalGroups] }),
  };
}

/**
 * Returns the security context of one Kubernetes container.
 *
 * @throws InvalidSpecError - `privileged`, `seccompProfile`, `runAsUser`, `runAsNonRoot`: not
 * together with restricted security
 */
export function containerSecurityContext(options: PodOptions, privileged: boolean): V1SecurityContext {
  checkRestricted(options, privileged);
  const { readOnlyRootFilesystem } = options;
  const drop = options.dropCapabilities ?? (isRestricted(options) ? ['ALL'] : []);
  return {
    ...(privileged ? { privileged } : { allowPrivilegeEscalation: false }),
    ...(readOnlyRootFilesystem === undefined ? {} : { readOnlyRootFilesystem }),
    ...(drop.length === 0 || privileged ? {} : { capabilities: { drop: [...drop] } }),
  };
}

function checkRestricted(options: PodOptions, privileged: boolean): void {
  if (!isRestricted(options)) return;
  const problem = (field: string, value: string): InvalidSpecError =>
    new InvalidSpecError(field, `${value} is not allowed with restricted security`);
  if (privileged) throw problem('privileged', 'true');
  if (options.seccompProfile === 'Unconfined') throw problem('seccompProfile', 'Unconfined');
  if (options.runAsUser === 0) throw problem('runAsUser', '0');
  if (options.runAsNonRoot === false) throw problem('runAsNonRoot', 'false');
  if (options.dropCapabilities !== undefined && !options.dropCapabilities.includes('ALL'))
    throw problem('dropCapabilities', 'a list without ALL');
}

function isRestricted({ security }: PodOptions): boolean {
  return security === 'restricted';
}
