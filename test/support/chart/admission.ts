import { CoreV1Api, type KubeConfig, KubernetesObjectApi, PatchStrategy, type V1Pod } from '@kubernetes/client-node';

import type { RenderedObject } from './rendered-object.ts';

const ofNoNamespace = new Set(['Namespace', 'ClusterRole', 'ClusterRoleBinding']);

/** Sends an object of the chart to the API server, which admits it in this namespace, or rejects, and stores nothing. */
export async function dryRun(kubeConfig: KubeConfig, namespace: string, object: RenderedObject): Promise<void> {
  const metadata = ofNoNamespace.has(object.kind) ? object.metadata : { ...object.metadata, namespace };
  const api = KubernetesObjectApi.makeApiClient(kubeConfig);
  await api.patch({ ...object, metadata }, undefined, 'All', 'test', true, PatchStrategy.ServerSideApply);
}

/** Returns a pod as the controller of a workload creates it, or `undefined` if the object creates none. */
export function podOf(object: RenderedObject): V1Pod | undefined {
  if (object.kind === 'Pod') return object as V1Pod;
  const template = specOf(object)?.['template'] as V1Pod | undefined;
  return template?.spec === undefined
    ? undefined
    : { metadata: { ...template.metadata, name: 'pod' }, spec: template.spec };
}

function specOf(object: RenderedObject): Readonly<Record<string, unknown>> | undefined {
  return (object as { readonly spec?: Readonly<Record<string, unknown>> }).spec;
}

/** Sends a pod to the API server, which admits it, or rejects, and stores nothing. */
export async function dryRunPod(kubeConfig: KubeConfig, namespace: string, { metadata, spec }: V1Pod): Promise<void> {
  const body = {
    metadata: { name: metadata?.name, labels: metadata?.labels },
    spec: { ...spec, serviceAccountName: 'default' },
  };
  const api = kubeConfig.makeApiClient(CoreV1Api);
  await api.createNamespacedPod({ namespace, body: body as V1Pod, dryRun: 'All' });
}

/** Returns a pod with a container that is privileged, which the standard `baseline` refuses. */
export function privileged(pod: V1Pod): V1Pod {
  const containers =
    pod.spec?.containers.map((container) => ({ ...container, securityContext: { privileged: true } })) ?? [];
  return { ...pod, spec: { ...pod.spec, containers } };
}

/** Returns a pod that may run as root, which `baseline` accepts and the standard `restricted` refuses. */
export function maybeRoot(pod: V1Pod): V1Pod {
  const { runAsNonRoot: _removed, ...securityContext } = pod.spec?.securityContext ?? {};
  return { ...pod, spec: { ...pod.spec!, securityContext } };
}
