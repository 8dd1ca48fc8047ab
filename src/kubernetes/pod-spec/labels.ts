import { createHash } from 'node:crypto';

import type { ContainerMetadata } from '../../runtime/container.ts';
import { isGeneratedName } from './pod-name.ts';

/** The facts that a pod's labels describe. */
export interface LabelFacts {
  readonly installationId: string;
  readonly workerName: string;
  readonly handle: string;
  /** The claim of a store pod, which has no row and thus no handle. @defaultValue the pod has a row */
  readonly storeClaim?: string | undefined;
  readonly metadata?: ContainerMetadata | undefined;
  /** Whether the pod is hermetic. A pod that is not has no label for it. */
  readonly hermetic?: boolean | undefined;
  /**
   * Image references as the host gave them, where the pod has others, by the name of the Kubernetes
   * container.
   */
  readonly requestedImages?: Readonly<Record<string, string>> | undefined;
}

/** Labels for selection. Annotations have the original values that the labels could not hold. */
export interface PodMarks {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

/** The prefix of the keys by which the library finds its pods. */
const identityPrefix = 'kubernetes-worker';
/** The prefix of the keys that describe a pod to operators, if the worker has no other. */
export const defaultLabelPrefix: string = identityPrefix;

const managedByKey = 'app.kubernetes.io/managed-by';
const longestValue = 63;
const hashLength = 10;
const longestAnnotation = 4096;

/**
 * Returns the marks of a container's pod. If a label cannot hold a value, the label has a changed
 * value and the annotation of the same key has the original.
 *
 * @param prefix - of the keys that only describe the pod, so that it may change while pods exist
 */
export function podMarks(facts: LabelFacts, prefix: string = defaultLabelPrefix): PodMarks {
  const { metadata = {}, requestedImages = {} } = facts;
  const values: Readonly<Record<string, string | undefined>> = {
    [identityKey('worker')]: facts.workerName,
    [identityKey('installation')]: facts.installationId,
    ...(facts.storeClaim === undefined
      ? { [identityKey('handle')]: facts.handle }
      : { [identityKey('store')]: facts.storeClaim }),
    [`${prefix}/type`]: metadata.type ?? 'task',
    [`${prefix}/pipeline`]: metadata.pipelineName,
    [`${prefix}/job`]: metadata.jobName,
    [`${prefix}/build`]: metadata.buildName,
    [`${prefix}/step`]: metadata.stepName,
    [`${prefix}/team`]: metadata.team,
    ...(facts.hermetic === true ? hermeticLabels() : {}),
  };
  const labels: Record<string, string> = { [managedByKey]: 'kubernetes-worker' };
  const annotations: Record<string, string> = {};
  for (const [key, value] of Object.entries(values)) {
    if (value === undefined || value === '') continue;
    const label = labelValue(value);
    labels[key] = label;
    if (label !== value) annotations[key] = value.slice(0, longestAnnotation);
  }
  if (Object.keys(requestedImages).length > 0)
    annotations[`${prefix}/requested-images`] = JSON.stringify(requestedImages);
  return { labels, annotations };
}

/** Returns a selector for the pods of one worker of one installation, and for no others. */
export function workerSelector(installationId: string, workerName: string): string {
  return [
    `${identityKey('installation')}=${labelValue(installationId)}`,
    `${identityKey('worker')}=${labelValue(workerName)}`,
  ].join();
}

/** Returns a selector for the pods of all workers of one installation. */
export function installationSelector(installationId: string): string {
  return `${identityKey('installation')}=${labelValue(installationId)}`;
}

/** Returns the labels that select the hermetic pods of a namespace, of all its workers. */
export function hermeticLabels(): Readonly<Record<string, string>> {
  return { [identityKey('hermetic')]: 'true' };
}

/** The marks of an object in the cluster. */
interface FoundMarks {
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}

/** Returns the handle of the container or the volume that a pod was created for. */
export function handleOf(marks: FoundMarks | undefined): string | undefined {
  return original(marks, 'handle');
}

/**
 * Whether a pod was created for the handle. Any client may remove its label; then a name that is
 * generated for the handle shows it.
 */
export function isOfHandle(metadata: (FoundMarks & { readonly name?: string }) | undefined, handle: string): boolean {
  const owner = handleOf(metadata);
  return owner === undefined ? isGeneratedName(metadata?.name ?? '', handle) : owner === handle;
}

/** Returns the name of the worker that created a pod. */
export function workerOf(marks: FoundMarks | undefined): string | undefined {
  return original(marks, 'worker');
}

/** Returns the claim of a store pod. `undefined` if the pod is not a store pod. */
export function storeClaimOf(marks: FoundMarks | undefined): string | undefined {
  return original(marks, 'store');
}

function original(marks: FoundMarks | undefined, name: 'handle' | 'worker' | 'store'): string | undefined {
  const key = identityKey(name);
  return marks?.annotations?.[key] ?? marks?.labels?.[key];
}

/**
 * Returns the text if it is a valid label value, else its valid characters and a hash of the whole.
 * Different texts give different values.
 */
export function labelValue(text: string): string {
  // A text that looks like a hashed value gets a hash too. Otherwise it could equal the value of
  // another text.
  if (isLabelValue(text) && !looksHashed(text)) return text;
  const hash = createHash('sha256').update(text).digest('hex').slice(0, hashLength);
  const cleaned = text.replace(/[^A-Za-z0-9_.-]+/g, '-').replace(/^[^A-Za-z0-9]+/, '');
  const kept = cleaned.slice(0, longestValue - hashLength - 2).replace(/[^A-Za-z0-9]+$/, '');
  return kept === '' ? `h.${hash}` : `${kept}.h${hash}`;
}

/** Whether the library sets the label or the annotation. Hosts must not. */
export function isLibraryKey(key: string): boolean {
  return key.startsWith(`${identityPrefix}/`) || key === managedByKey;
}

function identityKey(name: 'worker' | 'installation' | 'handle' | 'hermetic' | 'store'): string {
  return `${identityPrefix}/${name}`;
}

/** Whether Kubernetes accepts the text as the value of a label, or as the name in a key. */
export function isLabelValue(text: string): boolean {
  return text.length <= longestValue && /^[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$/.test(text);
}

function looksHashed(text: string): boolean {
  return /(^h\.|\.h)[0-9a-f]{10}$/.test(text);
}
