import { CoreV1Api, KubeConfig, RbacAuthorizationV1Api, type V1PolicyRule } from '@kubernetes/client-node';

import type { RequiredPermission } from '../../src/kubernetes/required-permissions.ts';

/** Returns the rules of a role with these permissions. */
export function rulesOf(permissions: readonly RequiredPermission[]): V1PolicyRule[] {
  return permissions.map(({ apiGroup, resource, verbs }) => ({
    apiGroups: [apiGroup],
    resources: [resource],
    verbs: [...verbs],
  }));
}

/**
 * Creates a service account with a role of the same name. Returns the configuration of a client
 * that uses it.
 */
export async function serviceAccount(
  admin: KubeConfig,
  { name, namespace, rules }: { readonly name: string; readonly namespace: string; readonly rules: V1PolicyRule[] },
): Promise<KubeConfig> {
  const api = admin.makeApiClient(CoreV1Api);
  const rbac = admin.makeApiClient(RbacAuthorizationV1Api);
  await api.createNamespacedServiceAccount({ namespace, body: { metadata: { name } } });
  await rbac.createNamespacedRole({ namespace, body: { metadata: { name }, rules } });
  await rbac.createNamespacedRoleBinding({
    namespace,
    body: {
      metadata: { name },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name },
      subjects: [{ kind: 'ServiceAccount', name, namespace }],
    },
  });
  const body = { spec: { audiences: [], expirationSeconds: 3_600 } };
  const { status } = await api.createNamespacedServiceAccountToken({ namespace, name, body });
  const config = new KubeConfig();
  config.loadFromClusterAndUser(admin.getCurrentCluster()!, { name, token: status?.token ?? '' });
  return config;
}
