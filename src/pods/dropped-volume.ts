import type { Pod } from '../kubernetes/cluster.ts';

/**
 * Returns the name of a volume of an image that the stored pod lacks. An API server without such
 * volumes leaves them out, with their mounts, and accepts the rest of the pod.
 */
export function findDroppedVolume(requested: Pod, stored: Pod): string | undefined {
  const names = new Set(stored.spec?.volumes?.map(({ name }) => name));
  return requested.spec?.volumes?.find(({ name, image }) => image !== undefined && !names.has(name))?.name;
}
