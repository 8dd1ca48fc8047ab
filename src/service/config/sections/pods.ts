import { z } from 'zod';

import type { PodOptions } from '../../../index.ts';
import { key, kubernetesObject, numericId, type Shape, section, text, textByName, texts } from '../section.ts';

/** Objects of Kubernetes, whose fields the library checks. */
type Objects = 'affinity' | 'overlay' | 'seLinuxOptions';
type ObjectLists = 'ownerReferences' | 'tolerations' | 'topologySpreadConstraints';

/** Settings of every pod of the worker. */
export type PodsSection = Omit<PodOptions, Objects | ObjectLists> & {
  readonly [K in Objects]?: Readonly<Record<string, unknown>> | undefined;
} & {
  readonly [K in ObjectLists]?: readonly Readonly<Record<string, unknown>>[] | undefined;
};

const objects = z.array(kubernetesObject).optional();

const shape: Shape<PodsSection> = {
  serviceAccountName: key(text.optional(), {
    description: 'The service account of the pods.',
    example: 'steps',
    unset: "the namespace's own",
  }),
  automountServiceAccountToken: key(z.boolean().default(false), {
    description: "Whether the service account's token is mounted.",
    example: true,
  }),
  imagePullSecrets: key(texts.optional(), {
    description: 'Names of secrets for the pull of images.',
    example: ['registry-login'],
    unset: 'none',
  }),
  nodeSelector: key(textByName.optional(), {
    description: 'Labels of the nodes, added to the operating system and the architecture.',
    example: { pool: 'ci' },
    unset: 'none',
  }),
  tolerations: key(objects, {
    description: 'The taints of nodes that the pods tolerate, as in Kubernetes.',
    example: [{ key: 'ci', operator: 'Exists', effect: 'NoSchedule' }],
    unset: 'none',
  }),
  affinity: key(kubernetesObject.optional(), {
    description: 'Rules about the nodes of the pods, as in Kubernetes.',
    example: {
      podAntiAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: [
          { topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: { app: 'database' } } },
        ],
      },
    },
    unset: 'none',
  }),
  topologySpreadConstraints: key(objects, {
    description: 'How the pods are spread over nodes, as in Kubernetes.',
    example: [{ maxSkew: 1, topologyKey: 'kubernetes.io/hostname', whenUnsatisfiable: 'ScheduleAnyway' }],
    unset: "the cluster's defaults",
  }),
  labels: key(textByName.optional(), {
    description: 'Labels of the pods.',
    example: { 'ci.example/pool': 'main' },
    unset: "the library's own",
  }),
  annotations: key(textByName.optional(), {
    description: 'Annotations of the pods.',
    example: { 'sidecar.istio.io/inject': 'false' },
    unset: 'none',
  }),
  priorityClassName: key(text.optional(), {
    description: 'The priority class of the pods.',
    example: 'ci',
    unset: "the cluster's default",
  }),
  runtimeClassName: key(text.optional(), {
    description: 'The runtime class of the pods.',
    example: 'gvisor',
    unset: "the cluster's default",
  }),
  security: key(z.enum(['default', 'restricted']).default('default'), {
    description: '`restricted`: the pods satisfy the Pod Security Standard of this name.',
    example: 'restricted',
  }),
  runAsUser: key(numericId.optional(), {
    description: 'The numeric user of the Kubernetes containers.',
    example: 1000,
    unset: "the image's",
  }),
  runAsGroup: key(numericId.optional(), {
    description: 'The numeric group of the Kubernetes containers.',
    example: 1000,
    unset: "the image's",
  }),
  runAsNonRoot: key(z.boolean().optional(), {
    description: 'Whether Kubernetes refuses to run the containers as root.',
    example: true,
    unset: 'unset; true where `pods.security` is `restricted`',
  }),
  fsGroup: key(numericId.optional(), {
    description: "The group that owns the pods' volumes.",
    example: 1000,
    unset: 'unset',
  }),
  supplementalGroups: key(z.array(numericId).optional(), {
    description: 'Further groups of the processes.',
    example: [2000],
    unset: 'none',
  }),
  readOnlyRootFilesystem: key(z.boolean().default(false), {
    description: 'Whether the root file systems of the Kubernetes containers are read-only.',
    example: true,
  }),
  dropCapabilities: key(texts.optional(), {
    description: 'Capabilities to drop.',
    example: ['NET_RAW'],
    unset: 'none; `ALL` if `pods.security` is `restricted`',
  }),
  addCapabilities: key(texts.optional(), {
    description: 'Capabilities to add to the main Kubernetes container.',
    example: ['SYS_PTRACE'],
    unset: 'those of the container runtime',
  }),
  hostUsers: key(z.boolean().optional(), {
    description: 'Whether the pods use the users of the node. With `false`, root in a pod is not root on the node.',
    example: false,
    unset: "the cluster's default",
  }),
  seLinuxOptions: key(kubernetesObject.optional(), {
    description: 'The SELinux context of the pods, as in Kubernetes.',
    example: { level: 's0:c123,c456' },
    unset: "the container runtime's",
  }),
  seccompProfile: key(z.enum(['RuntimeDefault', 'Unconfined']).default('RuntimeDefault'), {
    description: 'The seccomp profile of the pods.',
    example: 'Unconfined',
  }),
  restartPolicy: key(z.enum(['Always', 'OnFailure']).default('Always'), {
    description: 'When the Kubernetes containers of the pods are started again.',
    example: 'OnFailure',
  }),
  ownerReferences: key(objects, {
    description: 'The owners of the pods in the cluster, as in Kubernetes.',
    example: [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'ci', uid: '0b8f2b5e-3c55-4a53-8d0b-6a4f1a3d2c11' }],
    unset: 'none',
  }),
  overlay: key(kubernetesObject.optional(), {
    description: 'Additions in the form of a Pod object, such as a mount of a claim. [Pods](pods.md) has the details.',
    example: { spec: { schedulerName: 'ci-scheduler' } },
    unset: 'none',
  }),
};

export const podsSection: z.ZodType<PodsSection> = section(shape);
