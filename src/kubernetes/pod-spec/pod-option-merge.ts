import type { PodOptions } from '../../runtime/pod-options.ts';
import type { PodOverlay, PodOverlayContainer, PodOverlaySpec } from '../../runtime/pod-overlay.ts';

/**
 * Returns the options of a container's pod. The container's options replace the worker's, except
 * for maps, which are merged by key, and overlays. A field that is `undefined` replaces nothing.
 */
export function mergePodOptions(worker: PodOptions, own: PodOptions | undefined): PodOptions {
  if (own === undefined) return worker;
  return {
    ...worker,
    ...given(own),
    nodeSelector: merged(worker.nodeSelector, own.nodeSelector),
    labels: merged(worker.labels, own.labels),
    annotations: merged(worker.annotations, own.annotations),
    overlay: mergeOverlays(worker.overlay, own.overlay),
  };
}

/** Merges overlays as Kubernetes' strategic merge does. The second takes precedence. */
function mergeOverlays(first: PodOverlay | undefined, second: PodOverlay | undefined): PodOverlay | undefined {
  if (first === undefined || second === undefined) return first ?? second;
  const metadata = {
    labels: merged(first.metadata?.labels, second.metadata?.labels),
    annotations: merged(first.metadata?.annotations, second.metadata?.annotations),
  };
  return { metadata, spec: mergeSpecs(first.spec ?? {}, second.spec ?? {}) };
}

function mergeSpecs(first: PodOverlaySpec, second: PodOverlaySpec): PodOverlaySpec {
  const containers = [...(first.containers ?? []), ...(second.containers ?? [])];
  return {
    ...first,
    ...given(second),
    volumes: byKey('name', first.volumes, second.volumes),
    hostAliases: byKey('ip', first.hostAliases, second.hostAliases),
    containers: containers.length === 0 ? [] : [containers.reduce(mergeContainers)],
  };
}

function mergeContainers(first: PodOverlayContainer, second: PodOverlayContainer): PodOverlayContainer {
  return {
    name: first.name,
    volumeMounts: byKey('mountPath', first.volumeMounts, second.volumeMounts),
    resources: { requests: merged(first.resources?.requests, second.resources?.requests) },
  };
}

/** Returns the entries of both lists. An entry of the second replaces one of the same key. */
function byKey<Key extends string, T extends Readonly<Record<Key, string>>>(
  key: Key,
  first: readonly T[] = [],
  second: readonly T[] = [],
): readonly T[] {
  return [...new Map([...first, ...second].map((entry) => [entry[key], entry])).values()];
}

function merged<T extends object>(first: T | undefined, second: T | undefined): T | undefined {
  return first === undefined || second === undefined ? (first ?? second) : { ...first, ...given(second) };
}

function given<T extends object>(fields: T): Partial<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Partial<T>;
}
