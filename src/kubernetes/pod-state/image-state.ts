import type { V1ContainerStatus } from '@kubernetes/client-node';

import type { Pod } from '../cluster.ts';
import { mainContainerName } from '../pod-spec/pod-spec.ts';

/**
 * What a pod's status proves about the main container's image. `awaited`: the node prepares the
 * container, which does not exist yet. `present`: the container exists, or existed. `unknown`: the
 * node has not reported the container.
 */
export type ImageState = 'unknown' | 'awaited' | 'present';

export function mainImageState(pod: Pod): ImageState {
  const status = pod.status?.containerStatuses?.find(({ name }) => name === mainContainerName);
  if (status === undefined) return 'unknown';
  return hasExisted(status) ? 'present' : status.state?.waiting === undefined ? 'unknown' : 'awaited';
}

/** Returns the main container's image as its pod requests it. */
export function mainImage(pod: Pod): string | undefined {
  return pod.spec?.containers.find(({ name }) => name === mainContainerName)?.image;
}

function hasExisted({ imageID, containerID, state, lastState }: V1ContainerStatus): boolean {
  const { running, terminated = lastState?.terminated } = state ?? {};
  const hasId = [imageID, containerID].some((id) => id !== undefined && id !== '');
  return hasId || running !== undefined || terminated !== undefined;
}
