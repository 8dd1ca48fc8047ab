import type { Cluster, Permission } from '../kubernetes/cluster.ts';
import {
  optionalClusterPermissions,
  type RequiredPermission,
  requiredPermissions,
} from '../kubernetes/required-permissions.ts';
import type { CheckFinding } from '../runtime/check.ts';
import type { AbortOptions } from '../runtime/options.ts';
import { ok, warning } from './finding.ts';

const check = 'permissions';

/** Returns a finding for each missing permission, or one if all are there. */
export async function checkPermissions(cluster: Cluster, options: AbortOptions): Promise<readonly CheckFinding[]> {
  const missing = async (permissions: readonly RequiredPermission[], isClusterWide: boolean): Promise<Lacking[]> => {
    const each = permissions.flatMap(({ verbs, ...rest }) => verbs.map((verb) => ({ ...rest, verb, isClusterWide })));
    const allowed = await Promise.all(each.map((permission) => cluster.may(permission, options)));
    return each.filter((_, index) => allowed[index] === false);
  };
  const [required, optional] = await Promise.all([
    missing(requiredPermissions, false),
    missing(optionalClusterPermissions, true),
  ]);
  const findings = [
    ...required.map((lacking): CheckFinding => ({ ...lack(lacking, cluster), outcome: 'failure' })),
    ...optional.map((lacking) => lack(lacking, cluster)),
  ];
  return findings.length > 0 ? findings : [ok(check, 'The credentials have all permissions.')];
}

type Lacking = Permission & Pick<RequiredPermission, 'purpose'>;

function lack({ verb, resource, isClusterWide, purpose }: Lacking, { namespace }: Cluster): CheckFinding {
  const where = isClusterWide ? 'in the cluster' : `in namespace ${namespace}`;
  return warning(
    check,
    `The credentials may not ${verb} ${resource} ${where}.`,
    `Grant it (docs/rbac.md): ${purpose}.`,
  );
}
