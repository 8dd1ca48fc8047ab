import type { V1Container, V1PodSpec, V1PodTemplateSpec } from '@kubernetes/client-node';

import { ofKind, type RenderedObject } from './rendered-object.ts';

/** A pod of the chart, or the template of its pods. */
export interface ChartPod {
  /** The kind and the name of the object that has it. */
  readonly of: string;
  readonly namespace: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly spec: V1PodSpec;
}

/** Returns the pods and templates of pods of all objects. */
export function podsOf(objects: readonly RenderedObject[]): readonly ChartPod[] {
  const templates = [
    ...(['Deployment', 'Rollout'] as const).flatMap((kind) => ofKind(objects, kind)),
    ...ofKind(objects, 'DaemonSet'),
    ...ofKind(objects, 'Job'),
  ].map((object) => podOf(object, object.spec?.template));
  return [...templates, ...ofKind(objects, 'Pod').map((pod) => podOf(pod, pod as V1PodTemplateSpec))];
}

/** Returns the containers of a pod, those of its start included. */
export function containersOf({ spec }: ChartPod): readonly V1Container[] {
  return [...(spec.initContainers ?? []), ...spec.containers, ...((spec.ephemeralContainers ?? []) as V1Container[])];
}

function podOf({ kind, metadata }: RenderedObject, template: V1PodTemplateSpec | undefined): ChartPod {
  if (template?.spec === undefined) throw new Error(`${kind} ${metadata.name} has no pod`);
  const { labels = {}, annotations = {} } = template.metadata ?? {};
  return { of: `${kind} ${metadata.name}`, namespace: metadata.namespace, labels, annotations, spec: template.spec };
}
