import type { RequiredPermission } from '../../../src/kubernetes/required-permissions.ts';
import type { Access } from './access.ts';

/** Returns what permissions permit in a namespace. */
export function accessOf(permissions: readonly RequiredPermission[], namespace: string): readonly Access[] {
  return permissions.flatMap(({ apiGroup: group, resource, verbs }) =>
    verbs.map((verb) => ({ verb, resource, group, namespace })),
  );
}

/** Returns what the service must not do: what it needs in other namespaces, and what would give it further rights. */
export function deniedAccess(needed: readonly Access[], [own, steps]: readonly [string, string]): readonly Access[] {
  const elsewhere = [own, 'default', 'kube-system', undefined];
  const everywhere = [own, steps, 'kube-system', undefined];
  return [
    ...elsewhere.flatMap((namespace) => needed.map((access) => at(access, namespace))),
    ...everywhere.flatMap((namespace) => powers.map((access) => at(access, namespace))),
  ];
}

function at({ namespace: _namespace, ...access }: Access, namespace: string | undefined): Access {
  return namespace === undefined ? access : { ...access, namespace };
}

const rbac = 'rbac.authorization.k8s.io';

const powers: readonly Access[] = [
  ...['get', 'list', 'watch', 'create', 'update', 'delete'].map((verb) => ({ verb, resource: 'secrets' })),
  ...['patch', 'update'].map((verb) => ({ verb, resource: 'pods' })),
  ...['pods/attach', 'pods/portforward', 'pods/ephemeralcontainers', 'pods/eviction', 'serviceaccounts/token'].map(
    (resource) => ({ verb: 'create', resource }),
  ),
  ...['create', 'update', 'patch', 'delete', 'escalate', 'bind'].flatMap((verb) =>
    ['roles', 'rolebindings', 'clusterroles', 'clusterrolebindings'].map((resource) => ({
      verb,
      resource,
      group: rbac,
    })),
  ),
  ...['deployments', 'daemonsets', 'statefulsets'].flatMap((resource) =>
    ['create', 'patch', 'update', 'delete'].map((verb) => ({ verb, resource, group: 'apps' })),
  ),
  ...['update', 'patch', 'delete'].map((verb) => ({ verb, resource: 'networkpolicies', group: 'networking.k8s.io' })),
  ...['update', 'patch'].map((verb) => ({ verb, resource: 'configmaps' })),
  ...['create', 'delete', 'patch'].map((verb) => ({ verb, resource: 'persistentvolumeclaims' })),
  ...['watch', 'patch', 'update', 'delete'].map((verb) => ({ verb, resource: 'nodes' })),
  ...['get', 'list', 'create', 'delete', 'patch'].map((verb) => ({ verb, resource: 'namespaces' })),
  ...['users', 'groups', 'serviceaccounts'].map((resource) => ({ verb: 'impersonate', resource })),
];
