import type { V1Container, V1EnvVar, V1PodSpec, V1ResourceRequirements, V1VolumeMount } from '@kubernetes/client-node';

import { InvalidSpecError } from '../errors/caller.ts';
import type { Architecture, ContainerLimits, SidecarSpec } from '../runtime/container.ts';
import type { ImagePullPolicy } from '../runtime/image.ts';
import type { Pod } from './cluster.ts';
import type { PodOptions } from './pod-options.ts';
import { containerSecurityContext, podSecurityContext } from './pod-security.ts';

/** The name of the Kubernetes container that runs the agent, and thus every command. */
export const mainContainerName = 'main';
/** The folder of the agent's state and volumes. */
export const agentStatePath = '/.kw';
/** The folder of the agent's program. */
export const agentMountPath = '/.kw-agent';
/** The command of every exec. Contains only constants, because URLs are logged. */
export const agentConnectCommand: readonly string[] = [`${agentMountPath}/agent`, 'connect', agentStatePath];

/** The part of a pod that a container's specification determines. */
export interface PodRequest {
  /** An image reference in the form that nodes accept, as are those of the sidecars. */
  readonly image: string;
  /**
   * References as the host gave them, where they differ, by the name of the Kubernetes container.
   *
   * @defaultValue none
   */
  readonly requestedImages?: Readonly<Record<string, string>> | undefined;
  readonly volumes: readonly PlannedVolume[];
  readonly limits: ContainerLimits;
  /** The resources that the scheduler reserves. @defaultValue the limits */
  readonly requests?: ContainerLimits | undefined;
  readonly sidecars: readonly SidecarSpec[];
  readonly privileged: boolean;
  /** @defaultValue the worker's, else the only one of the nodes, else amd64 */
  readonly architecture: Architecture | undefined;
}

export interface PodPlan extends PodRequest {
  readonly podName: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** The config map with the agent's program under the key `agent`. */
  readonly agentConfigMapName: string;
  readonly architecture: Architecture;
  readonly options: PodOptions;
  /** @defaultValue `IfNotPresent` */
  readonly pullPolicy?: ImagePullPolicy | undefined;
}

/** A volume of the agent, and its path for commands. */
export interface PlannedVolume {
  /** The agent's id of the volume. */
  readonly agentVolume: string;
  /** Absolute and normalized. */
  readonly mountPath: string;
}

const stateVolume = 'kw-state';
const agentVolume = 'kw-agent';
const terminationGraceSeconds = 10;

/**
 * The API server's limit for a stored object is 1.5 MiB. A pod grows by its status and by its
 * managed fields.
 */
const maxPodBytes = 1024 * 1024;

/**
 * Returns the pod of a plan. The same plan gives the same pod. The environment of `main` is not
 * part of the pod: the agent gets it with each process.
 *
 * @throws InvalidSpecError - options that contradict each other, or a pod larger than the API
 * server accepts
 */
export function buildPod(plan: PodPlan): Pod {
  const pod: Pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: plan.podName, labels: { ...plan.labels }, annotations: { ...plan.annotations } },
    spec: {
      ...placement(plan),
      ...lifeAndRights(plan.options),
      containers: [mainContainer(plan), ...plan.sidecars.map((sidecar) => sidecarContainer(plan, sidecar))],
      volumes: podVolumes(plan),
    },
  };
  const bytes = bytesOf(pod);
  if (bytes > maxPodBytes)
    throw new InvalidSpecError(
      largestPart(plan),
      `results in a Pod object of ${bytes} bytes, more than ${maxPodBytes}`,
    );
  return pod;
}

/** Returns the field of the specification with the largest part of the pod. */
function largestPart({ sidecars }: PodPlan): string {
  const parts = sidecars.flatMap((sidecar, index) =>
    (['env', 'command', 'args'] as const).map((name) => ({
      field: `sidecars[${index}].${name}`,
      bytes: bytesOf(sidecar[name] ?? []),
    })),
  );
  const [largest] = parts.toSorted((a, b) => b.bytes - a.bytes);
  return largest === undefined || largest.bytes < maxPodBytes / 16 ? 'spec' : largest.field;
}

function bytesOf(value: object): number {
  return Buffer.byteLength(JSON.stringify(value));
}

/** Returns the image and its pull policy. A digest selects a content that cannot change. */
function pulled(
  image: string,
  policy: ImagePullPolicy = 'IfNotPresent',
): Pick<V1Container, 'image' | 'imagePullPolicy'> {
  const hasDigest = image.includes('@');
  return { image, imagePullPolicy: hasDigest && policy === 'Always' ? 'IfNotPresent' : policy };
}

function placement({ architecture, options }: PodPlan): Partial<V1PodSpec> {
  const { nodeSelector, tolerations, priorityClassName, runtimeClassName } = options;
  return {
    nodeSelector: { ...nodeSelector, 'kubernetes.io/arch': architecture, 'kubernetes.io/os': 'linux' },
    ...(tolerations === undefined ? {} : { tolerations: tolerations.map(withoutUndefined) }),
    ...(priorityClassName === undefined ? {} : { priorityClassName }),
    ...(runtimeClassName === undefined ? {} : { runtimeClassName }),
  };
}

function lifeAndRights(options: PodOptions): Partial<V1PodSpec> {
  const { serviceAccountName, imagePullSecrets = [], automountServiceAccountToken = false } = options;
  return {
    // A container that is killed for memory is restarted, and its volumes stay readable.
    restartPolicy: 'Always',
    terminationGracePeriodSeconds: terminationGraceSeconds,
    enableServiceLinks: false,
    automountServiceAccountToken,
    ...(serviceAccountName === undefined ? {} : { serviceAccountName }),
    ...(imagePullSecrets.length === 0
      ? {}
      : { imagePullSecrets: [...new Set(imagePullSecrets)].map((name) => ({ name })) }),
    securityContext: podSecurityContext(options),
  };
}

function podVolumes({ agentConfigMapName }: PodPlan): NonNullable<V1PodSpec['volumes']> {
  return [
    { name: stateVolume, emptyDir: {} },
    { name: agentVolume, configMap: { name: agentConfigMapName, defaultMode: 0o555 } },
  ];
}

function mainContainer(plan: PodPlan): V1Container {
  return {
    name: mainContainerName,
    ...pulled(plan.image, plan.pullPolicy),
    command: [`${agentMountPath}/agent`, 'serve', agentStatePath],
    resources: resources(plan.limits, plan.requests),
    securityContext: containerSecurityContext(plan.options, plan.privileged),
    volumeMounts: [
      { name: stateVolume, mountPath: agentStatePath },
      { name: agentVolume, mountPath: agentMountPath, readOnly: true },
      ...volumeMounts(plan.volumes),
    ],
  };
}

/** A sidecar has the volumes, but neither the agent's state nor the main container's privileges. */
function sidecarContainer(plan: PodPlan, sidecar: SidecarSpec): V1Container {
  const { name, image, command, args, env = [], dir, limits = {} } = sidecar;
  return {
    name,
    ...pulled(image, plan.pullPolicy),
    ...(command === undefined ? {} : { command: command.map(literal) }),
    ...(args === undefined ? {} : { args: args.map(literal) }),
    ...(dir === undefined ? {} : { workingDir: dir }),
    env: environment(env),
    resources: resources(limits, undefined),
    securityContext: containerSecurityContext(plan.options, false),
    volumeMounts: volumeMounts(plan.volumes),
  };
}

/**
 * Sorts outer paths first, so that a nested volume is mounted on its parent and not hidden by it.
 */
function volumeMounts(volumes: readonly PlannedVolume[]): V1VolumeMount[] {
  const sorted = volumes.toSorted((a, b) => (a.mountPath < b.mountPath ? -1 : a.mountPath > b.mountPath ? 1 : 0));
  return sorted.map(({ agentVolume: id, mountPath }) => ({
    name: stateVolume,
    mountPath,
    subPath: `volumes/${id}/data`,
  }));
}

function environment(entries: readonly string[]): V1EnvVar[] {
  const values = new Map<string, string>();
  for (const entry of entries) {
    const separator = entry.indexOf('=');
    if (separator <= 0) continue;
    values.set(entry.slice(0, separator), entry.slice(separator + 1));
  }
  return [...values].map(([name, value]) => ({ name, value: literal(value) }));
}

/** Escapes `$`. Kubernetes replaces `$(NAME)`, and `$$` by `$`, in values and arguments. */
function literal(text: string): string {
  return text.replaceAll('$', '$$$$');
}

function resources(limits: ContainerLimits, requests: ContainerLimits | undefined): V1ResourceRequirements {
  const upper = quantities(limits);
  // Set explicitly instead of by Kubernetes' default, so that the reservation is visible.
  const reserved = requests === undefined ? upper : quantities(requests);
  return { ...(isEmpty(upper) ? {} : { limits: upper }), ...(isEmpty(reserved) ? {} : { requests: { ...reserved } }) };
}

function quantities({ cpuMilli, memoryBytes }: ContainerLimits): Record<string, string> {
  return {
    ...(cpuMilli === undefined ? {} : { cpu: `${cpuMilli}m` }),
    ...(memoryBytes === undefined ? {} : { memory: String(memoryBytes) }),
  };
}

function isEmpty(object: object): boolean {
  return Object.keys(object).length === 0;
}

function withoutUndefined<T extends object>(object: T): { [Key in keyof T]: Exclude<T[Key], undefined> } {
  const entries = Object.entries(object).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [Key in keyof T]: Exclude<T[Key], undefined> };
}
