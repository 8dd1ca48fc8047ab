import type { V1Container, V1Volume } from '@kubernetes/client-node';

import { InvalidSpecError } from '../../errors/caller.ts';
import type {
  PodOverlay,
  PodOverlayContainer,
  PodOverlayRequests,
  PodOverlaySpec,
  PodOverlayVolume,
} from '../../runtime/pod-overlay.ts';
import type { Pod } from '../cluster.ts';
import { quantityIn } from '../quantity.ts';
import { copyOf } from './copy-of.ts';
import { isLibraryKey } from './labels.ts';
import { checkMountIsFree } from './pod-mount-path.ts';

const field = 'pod.overlay.spec';

/**
 * Returns the pod with the additions of an overlay. Copies the known fields of the overlay only.
 * What the library has set remains: names, labels, annotations, volumes, and everything of the
 * Kubernetes containers except the requests of the first one.
 *
 * @throws InvalidSpecError - an addition conflicts with the pod
 */
export function overlayPod(pod: Pod, { metadata = {}, spec = {} }: PodOverlay): Pod {
  const [main, ...sidecars] = pod.spec?.containers ?? [];
  if (main === undefined || pod.spec === undefined || pod.metadata === undefined) return pod;
  const { volumes = [], containers = [] } = spec;
  const own = pod.spec.volumes ?? [];
  const names = new Set(own.map(({ name }) => name));
  return {
    ...pod,
    metadata: {
      ...pod.metadata,
      labels: { ...pod.metadata.labels, ...ofHost(metadata.labels) },
      annotations: { ...pod.metadata.annotations, ...ofHost(metadata.annotations) },
    },
    spec: {
      ...pod.spec,
      ...networkOf(spec),
      containers: [containers[0] === undefined ? main : overlayMain(main, containers[0], volumes), ...sidecars],
      volumes: [...own, ...volumes.filter(({ name }) => !names.has(name)).map(volumeOf)],
    },
  };
}

function ofHost(map: Readonly<Record<string, string>> = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(map).filter(([key]) => !isLibraryKey(key)));
}

function networkOf({ hostAliases, dnsPolicy, dnsConfig, schedulerName }: PodOverlaySpec): Partial<Pod['spec']> {
  return copyOf({ hostAliases, dnsPolicy, dnsConfig, schedulerName });
}

function volumeOf(volume: PodOverlayVolume): V1Volume {
  const { name, secret, configMap, emptyDir, persistentVolumeClaim, image } = volume;
  return copyOf({ name, secret, configMap, emptyDir, persistentVolumeClaim, image });
}

function overlayMain(
  main: V1Container,
  { volumeMounts = [], resources = {} }: PodOverlayContainer,
  volumes: readonly PodOverlayVolume[],
): V1Container {
  const mounts = main.volumeMounts ?? [];
  const taken = mounts.map(({ mountPath }) => mountPath);
  const sealed = mounts.filter(({ readOnly }) => readOnly === true).map(({ mountPath }) => mountPath);
  for (const [index, { name, mountPath }] of volumeMounts.entries()) {
    const at = `${field}.containers[0].volumeMounts[${index}]`;
    if (!volumes.some((volume) => volume.name === name))
      throw new InvalidSpecError(`${at}.name`, `the overlay has no volume ${JSON.stringify(name)}`);
    checkMountIsFree(`${at}.mountPath`, mountPath, taken, sealed);
  }
  const added = volumeMounts.map(({ name, mountPath, subPath, readOnly }) =>
    copyOf({ name, mountPath, subPath, readOnly }),
  );
  return { ...main, volumeMounts: [...mounts, ...added], resources: requesting(main, resources.requests ?? {}) };
}

function requesting(
  { resources = {} }: V1Container,
  { cpu, memory, 'ephemeral-storage': storage }: PodOverlayRequests,
): NonNullable<V1Container['resources']> {
  const given = copyOf({ cpu, memory, 'ephemeral-storage': storage });
  const requests: Record<string, string> = { ...resources.requests, ...given };
  for (const [name, request] of Object.entries(given)) {
    const limit = resources.limits?.[name];
    if (limit !== undefined && (quantityIn(request ?? '', 'milli') ?? 0) > (quantityIn(limit, 'milli') ?? Infinity))
      throw new InvalidSpecError(
        `${field}.containers[0].resources.requests.${name}`,
        `${request} is more than the limit of ${limit}`,
      );
  }
  if (Object.keys(requests).length === 0) return resources;
  return { ...(resources.limits === undefined ? {} : { limits: resources.limits }), requests };
}
