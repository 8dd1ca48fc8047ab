import type { Cluster } from '../kubernetes/cluster.ts';
import { optionalClusterPermissions, type RequiredPermission } from '../kubernetes/required-permissions.ts';
import type { CheckFinding } from '../runtime/check.ts';
import type { AbortOptions } from '../runtime/options.ts';
import { ok, warning } from './finding.ts';

const check = 'permissions';

/** One verb of a permission. */
interface SinglePermission extends Omit<RequiredPermission, 'verbs'> {
  readonly verb: string;
  readonly isClusterWide: boolean;
}

/**
 * Returns a finding for each missing permission, or one if all are there. A missing permission is a
 * failure only if the worker cannot work without it.
 *
 * @param inNamespace - the permissions in the namespace that the worker's options need
 */
export async function checkPermissions(
  cluster: Cluster,
  inNamespace: readonly RequiredPermission[],
  options: AbortOptions,
): Promise<readonly CheckFinding[]> {
  const permissions = [
    ...inNamespace.flatMap((permission) => singles(permission, false)),
    ...optionalClusterPermissions.flatMap((permission) => singles(permission, true)),
  ];
  const allowed = await Promise.all(permissions.map((permission) => cluster.may(permission, options)));
  const missing = permissions.filter((_, index) => allowed[index] === false);
  if (missing.length === 0) return [ok(check, 'The credentials have all permissions.')];
  return missing.map((permission) => lack(permission, cluster));
}

function singles({ verbs, ...rest }: RequiredPermission, isClusterWide: boolean): readonly SinglePermission[] {
  return verbs.map((verb) => ({ ...rest, verb, isClusterWide }));
}

function lack(
  { verb, resource, name, isClusterWide, purpose, without }: SinglePermission,
  { namespace }: Cluster,
): CheckFinding {
  const where = isClusterWide ? 'in the cluster' : `in namespace ${namespace}`;
  const what = name === undefined ? resource : `${resource} ${name}`;
  const message = `The credentials may not ${verb} ${what} ${where}.`;
  if (without !== undefined) return warning(check, message, `Grant it (docs/rbac.md), otherwise ${without}.`);
  return { ...warning(check, message, `Grant it (docs/rbac.md): ${purpose}.`), outcome: 'failure' };
}
