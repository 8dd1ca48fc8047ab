import type { V1Container } from '@kubernetes/client-node';
import type { ContainerUser } from '../isolation/container-runtime.ts';
import type { Pod } from '../objects/api-object.ts';

/**
 * Returns the user that a container runs as. Returns `undefined` if the pod names no user; the
 * container then runs as the user of the cluster.
 */
export function containerUser(pod: Pod, container: V1Container): ContainerUser | undefined {
  const ofPod = pod.spec.securityContext;
  const own = container.securityContext;
  const uid = own?.runAsUser ?? ofPod?.runAsUser;
  const gid = own?.runAsGroup ?? ofPod?.runAsGroup;
  const groups = [...(ofPod?.supplementalGroups ?? []), ...(ofPod?.fsGroup === undefined ? [] : [ofPod.fsGroup])];
  if (uid === undefined && gid === undefined && groups.length === 0) return undefined;
  return {
    uid: uid ?? process.getuid?.() ?? 0,
    gid: gid ?? (uid === undefined ? (process.getgid?.() ?? 0) : 0),
    groups,
  };
}

/** Returns the reason why the container may not run, if it must not run as root and would. */
export function rootRefusal(pod: Pod, container: V1Container): string | undefined {
  const nonRoot = container.securityContext?.runAsNonRoot ?? pod.spec.securityContext?.runAsNonRoot ?? false;
  const uid = container.securityContext?.runAsUser ?? pod.spec.securityContext?.runAsUser ?? process.getuid?.();
  if (!nonRoot || uid !== 0) return undefined;
  const { name, namespace, uid: podUid } = pod.metadata;
  return `container has runAsNonRoot and image will run as root (pod: "${name}_${namespace ?? ''}(${podUid})", container: ${container.name})`;
}
