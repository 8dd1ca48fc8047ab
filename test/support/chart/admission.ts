import {
  CoreV1Api,
  type KubeConfig,
  KubernetesObjectApi,
  PatchStrategy,
  type V1Pod,
  type V1PodSpec,
} from '@kubernetes/client-node';

import type { RenderedObject } from './rendered-object.ts';

const ofNoNamespace = new Set(['Namespace', 'ClusterRole', 'ClusterRoleBinding']);

/**
 * Sends an object of the chart to the API server, which admits it in this namespace, or rejects, and
 * stores nothing.
 */
export async function dryRun(kubeConfig: KubeConfig, namespace: string, object: RenderedObject): Promise<void> {
  const metadata = ofNoNamespace.has(object.kind) ? object.metadata : { ...object.metadata, namespace };
  const api = KubernetesObjectApi.makeApiClient(kubeConfig);
  await api.patch({ ...object, metadata }, undefined, 'All', 'test', true, PatchStrategy.ServerSideApply);
}

/** Returns a pod as the controller of a workload creates it, or `undefined` if the object creates none. */
export function podOf(object: RenderedObject): V1Pod | undefined {
  if (object.kind === 'Pod') return object;
  const template = (object as { readonly spec?: { readonly template?: V1Pod } }).spec?.template;
  if (template?.spec === undefined) return undefined;
  return { metadata: { name: 'pod', labels: template.metadata?.labels ?? {} }, spec: template.spec };
}

/** Sends a pod to the API server, which admits it, or rejects, and stores nothing. */
export async function dryRunPod(kubeConfig: KubeConfig, namespace: string, pod: V1Pod): Promise<void> {
  const body = changed(pod, (spec) => {
    // That of the chart does not exist.
    spec.serviceAccountName = 'default';
  });
  delete body.metadata?.namespace;
  await kubeConfig.makeApiClient(CoreV1Api).createNamespacedPod({ namespace, body, dryRun: 'All' });
}

/** Returns a pod with privileged containers, which the standard `baseline` refuses. */
export function privileged(pod: V1Pod): V1Pod {
  return changed(pod, ({ containers }) => {
    for (const container of containers) container.securityContext = { privileged: true };
  });
}

/** Returns a pod that may run as root, which `baseline` accepts and the standard `restricted` refuses. */
export function maybeRoot(pod: V1Pod): V1Pod {
  return changed(pod, ({ securityContext }) => {
    delete securityContext?.runAsNonRoot;
  });
}

function changed(pod: V1Pod, change: (spec: V1PodSpec) => void): V1Pod {
  const copy = structuredClone(pod);
  if (copy.spec !== undefined) change(copy.spec);
  return copy;
}
