import { createHash } from 'node:crypto';

import type { ContainerMetadata } from '../runtime/container.ts';

/** What a pod is labelled with. */
export interface LabelFacts {
  readonly installationId: string;
  readonly workerName: string;
  readonly handle: string;
  readonly metadata?: ContainerMetadata | undefined;
}

/** Labels for selecting, annotations with what the labels could not hold as it is. */
export interface PodMarks {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

/** Before each of our keys, where the worker has no other. */
export const defaultLabelPrefix = 'kubernetes-worker';

const longestValue = 63;
const hashLength = 10;
const longestAnnotation = 4096;

/** The marks of a container's pod. A value that a label cannot hold is changed in the label, and as it was in the annotation of the same key. */
export function podMarks(facts: LabelFacts, prefix: string = defaultLabelPrefix): PodMarks {
  const { metadata = {} } = facts;
  const values: Readonly<Record<string, string | undefined>> = {
    worker: facts.workerName,
    installation: facts.installationId,
    handle: facts.handle,
    type: metadata.type ?? 'task',
    pipeline: metadata.pipelineName,
    job: metadata.jobName,
    build: metadata.buildName,
    step: metadata.stepName,
    team: metadata.team,
  };
  const labels: Record<string, string> = { 'app.kubernetes.io/managed-by': 'kubernetes-worker' };
  const annotations: Record<string, string> = {};
  for (const [name, value] of Object.entries(values)) {
    if (value === undefined || value === '') continue;
    const key = `${prefix}/${name}`;
    const label = labelValue(value);
    labels[key] = label;
    if (label !== value) annotations[key] = value.slice(0, longestAnnotation);
  }
  return { labels, annotations };
}

/** Selects the pods of one worker of one installation, and nobody else's. */
export function workerSelector(
  installationId: string,
  workerName: string,
  prefix: string = defaultLabelPrefix,
): string {
  return `${prefix}/installation=${labelValue(installationId)},${prefix}/worker=${labelValue(workerName)}`;
}

/** Reads a value back from a pod's marks, as it was given. */
export function markOf(
  marks:
    | {
        labels?: Readonly<Record<string, string>> | undefined;
        annotations?: Readonly<Record<string, string>> | undefined;
      }
    | undefined,
  name: string,
  prefix: string = defaultLabelPrefix,
): string | undefined {
  const key = `${prefix}/${name}`;
  return marks?.annotations?.[key] ?? marks?.labels?.[key];
}

/**
 * A value that a label may have: itself where it is one, else what is left of it with a hash of the whole. Different texts give different values.
 */
export function labelValue(text: string): string {
  // What looks like one of ours gets a hash too: else it could be the value of another text.
  if (isLabelValue(text) && !looksHashed(text)) return text;
  const hash = createHash('sha256').update(text).digest('hex').slice(0, hashLength);
  const cleaned = text.replace(/[^A-Za-z0-9_.-]+/g, '-').replace(/^[^A-Za-z0-9]+/, '');
  const kept = cleaned.slice(0, longestValue - hashLength - 2).replace(/[^A-Za-z0-9]+$/, '');
  return kept === '' ? `h.${hash}` : `${kept}.h${hash}`;
}

function isLabelValue(text: string): boolean {
  return text.length <= longestValue && /^[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$/.test(text);
}

function looksHashed(text: string): boolean {
  return /(^h\.|\.h)[0-9a-f]{10}$/.test(text);
}
