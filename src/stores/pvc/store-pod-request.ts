import { createHash } from 'node:crypto';

import { clean } from '../../kubernetes/pod-spec/pod-name.ts';
import type { LaunchRequest } from '../../pods/pod-launcher.ts';
import type { PvcStoreOptions } from '../../runtime/pvc-store-options.ts';

/** The numeric user and group of a store pod, unless the options have others. */
const defaultUser = 65_532;
/** The annotation with the digest of the options that a store pod was created with. */
export const optionsAnnotation = 'kubernetes-worker/store-options';

export interface StorePodFacts {
  readonly installationId: string;
  readonly workerName: string;
  /** The image of pods that run no program of an image. */
  readonly image: string;
}

/**
 * Returns the name of the store pod of a claim: the same for all hosts of a worker, so that the API
 * server permits one of them only, and another one for each worker.
 */
export function storePodName(claim: string, { installationId, workerName }: StorePodFacts): string {
  return `store-${clean(claim, 40)}-${digestOf([installationId, workerName, claim])}`;
}

/** Returns the store pod to launch. Its security is that of the Pod Security Standard `restricted`. */
export function storePodRequest(options: PvcStoreOptions, facts: StorePodFacts): LaunchRequest {
  const { claim, user = defaultUser, group = defaultUser, limits = {}, requests, pod = {} } = options;
  const podName = storePodName(claim, facts);
  return {
    podName,
    handle: podName,
    storeClaim: claim,
    metadata: { type: 'store' },
    image: facts.image,
    volumes: [],
    limits,
    requests,
    sidecars: [],
    privileged: false,
    architecture: undefined,
    podOptions: {
      ...pod,
      annotations: { ...pod.annotations, [optionsAnnotation]: optionsDigest(options) },
      security: 'restricted',
      runAsUser: user,
      runAsGroup: group,
      fsGroup: group,
      runAsNonRoot: true,
      dropCapabilities: ['ALL'],
      addCapabilities: [],
      seccompProfile: 'RuntimeDefault',
      automountServiceAccountToken: false,
    },
  };
}

/** Returns a digest that differs where the pods of two options differ. */
export function optionsDigest({
  user = defaultUser,
  group = defaultUser,
  limits,
  requests,
  pod,
}: PvcStoreOptions): string {
  return digestOf([user, group, sorted(limits), sorted(requests), sorted(pod)]);
}

function sorted(object: object = {}): readonly (readonly [string, unknown])[] {
  const entries = Object.entries(object) as [string, unknown][];
  return entries.filter(([, value]) => value !== undefined).sort(([a], [b]) => (a < b ? -1 : 1));
}

function digestOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 10);
}
