import {
  AppsV1Api,
  BatchV1Api,
  CoreV1Api,
  type KubeConfig,
  type KubernetesListObject,
  type KubernetesObject,
  NetworkingV1Api,
  PolicyV1Api,
  RbacAuthorizationV1Api,
} from '@kubernetes/client-node';

/** What a namespace has by itself. */
const builtIn = new Set(['ConfigMap/kube-root-ca.crt', 'ServiceAccount/default']);

/** Returns the objects of a namespace as `KIND/NAME`, but for those that every namespace has, and for events. */
export async function inventory(kubeConfig: KubeConfig, namespace: string): Promise<readonly string[]> {
  const core = kubeConfig.makeApiClient(CoreV1Api);
  const apps = kubeConfig.makeApiClient(AppsV1Api);
  const network = kubeConfig.makeApiClient(NetworkingV1Api);
  const rbac = kubeConfig.makeApiClient(RbacAuthorizationV1Api);
  const of = { namespace };
  const kinds: Readonly<Record<string, Promise<KubernetesListObject<KubernetesObject>>>> = {
    ConfigMap: core.listNamespacedConfigMap(of),
    DaemonSet: apps.listNamespacedDaemonSet(of),
    Deployment: apps.listNamespacedDeployment(of),
    Job: kubeConfig.makeApiClient(BatchV1Api).listNamespacedJob(of),
    NetworkPolicy: network.listNamespacedNetworkPolicy(of),
    PersistentVolumeClaim: core.listNamespacedPersistentVolumeClaim(of),
    Pod: core.listNamespacedPod(of),
    PodDisruptionBudget: kubeConfig.makeApiClient(PolicyV1Api).listNamespacedPodDisruptionBudget(of),
    Role: rbac.listNamespacedRole(of),
    RoleBinding: rbac.listNamespacedRoleBinding(of),
    Secret: core.listNamespacedSecret(of),
    Service: core.listNamespacedService(of),
    ServiceAccount: core.listNamespacedServiceAccount(of),
  };
  const objects = Object.entries(kinds).map(async ([kind, list]) =>
    (await list).items.map(({ metadata }) => `${kind}/${metadata?.name}`),
  );
  return (await Promise.all(objects)).flat().filter((object) => !builtIn.has(object));
}
