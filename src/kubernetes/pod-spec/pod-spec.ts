import type { V1Container, V1PodSpec, V1Probe, V1Volume, V1VolumeMount } from '@kubernetes/client-node';

import { InvalidSpecError } from '../../errors/caller.ts';
import type { Architecture } from '../../runtime/container.ts';
import type { ImagePullPolicy } from '../../runtime/image.ts';
import type { PodOptions } from '../../runtime/pod-options.ts';
import type { ContainerLimits, ContainerRequests } from '../../runtime/resources.ts';
import type { SecretKey } from '../../runtime/secrets.ts';
import type { SidecarProbe, SidecarSpec } from '../../runtime/sidecar.ts';
import type { Pod } from '../cluster.ts';
import { copyOf } from './copy-of.ts';
import { literal, literalVariables, secretVariables } from './pod-environment.ts';
import { overlayPod } from './pod-overlay.ts';
import { placement } from './pod-placement.ts';
import { resources } from './pod-resources.ts';
import { mainSecurityContext, podSecurityContext, sidecarSecurityContext } from './pod-security.ts';

/** The name of the Kubernetes container that runs the agent, and thus every command. */
export const mainContainerName = 'main';
/** The folder of the agent's state and volumes. */
const agentStatePath = '/.kw';
/** The folder of the claim of a store pod. */
const archivesMountPath = '/.kw/archives';
/** The folder of the agent's program. */
const agentMountPath = '/.kw-agent';
/** The command of every exec. Contains only constants, because URLs are logged. */
export const agentConnectCommand: readonly string[] = [`${agentMountPath}/agent`, 'connect', agentStatePath];
/**
 * The command that tries one connection from a pod. Without a target it is the API server's Service,
 * as the pod's environment has it.
 */
export function agentReachCommand(target: { host: string; port: string } | undefined, timeoutMs: number): string[] {
  return [`${agentMountPath}/agent`, 'reach', target?.host ?? '-', target?.port ?? '-', String(timeoutMs)];
}

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
  readonly requests?: ContainerRequests | undefined;
  /** The maximum size of all volumes and of the agent's state. @defaultValue no limit */
  readonly volumesLimitBytes?: number | undefined;
  readonly secretEnv?: Readonly<Record<string, SecretKey>> | undefined;
  readonly secretMounts?: readonly PlannedSecretMount[] | undefined;
  /** The claim that a store pod has at `archivesMountPath`. @defaultValue not a store pod */
  readonly storeClaim?: string | undefined;
  readonly sidecars: readonly SidecarSpec[];
  readonly privileged: boolean;
  /** Whether the pod must not send. @defaultValue false */
  readonly hermetic?: boolean | undefined;
  /** @defaultValue the worker's, else the only one of the nodes, else amd64 */
  readonly architecture: Architecture | undefined;
  /** The container's own options. @defaultValue the worker's */
  readonly podOptions?: PodOptions | undefined;
}

export interface PodPlan extends PodRequest {
  readonly podName: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** The config map with the agent's program under the key `agent`. */
  readonly agentConfigMapName: string;
  readonly architecture: Architecture;
  /** The options of the worker and the container, merged. */
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

/** A secret, and its folder in `main`. */
export interface PlannedSecretMount {
  readonly secretName: string;
  /** Absolute and normalized. */
  readonly mountPath: string;
  readonly mode: number;
  readonly optional: boolean | undefined;
}

const stateVolume = 'kw-state';
const agentVolume = 'kw-agent';
const archivesVolume = 'kw-archives';
const terminationGraceSeconds = 10;

/**
 * The API server's limit for a stored object is 1.5 MiB. A pod grows by its status and by its
 * managed fields.
 */
const maxPodBytes = 1024 * 1024;
/** The API server's limit for the keys and values of all annotations of an object. */
const maxAnnotationBytes = 256 * 1024;

/**
 * Returns the pod of a plan. The same plan gives the same pod. The environment of `main` refers to
 * secrets only: the agent gets all other variables with each process.
 *
 * @throws InvalidSpecError - options that contradict each other, or a pod larger than the API
 * server accepts
 */
export function buildPod(plan: PodPlan): Pod {
  const { overlay } = plan.options;
  const pod = overlay === undefined ? ownPod(plan) : overlayPod(ownPod(plan), overlay);
  const annotationBytes = bytesOf(pod.metadata?.annotations ?? {});
  if (annotationBytes > maxAnnotationBytes)
    throw new InvalidSpecError('pod.annotations', `have ${annotationBytes} bytes, more than ${maxAnnotationBytes}`);
  const bytes = bytesOf(pod);
  if (bytes > maxPodBytes)
    throw new InvalidSpecError(
      largestPart(plan),
      `results in a Pod object of ${bytes} bytes, more than ${maxPodBytes}`,
    );
  return pod;
}

function ownPod(plan: PodPlan): Pod {
  const { options } = plan;
  const { ownerReferences = [] } = options;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: plan.podName,
      labels: { ...options.labels, ...plan.labels },
      annotations: { ...options.annotations, ...plan.annotations },
      ...(ownerReferences.length === 0 ? {} : { ownerReferences: ownerReferences.map(copyOf) }),
    },
    spec: {
      ...placement(plan.architecture, options),
      ...lifeAndRights(options, plan),
      containers: [mainContainer(plan), ...plan.sidecars.map((sidecar) => sidecarContainer(plan, sidecar))],
      volumes: podVolumes(plan),
    },
  };
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

function lifeAndRights(
  options: PodOptions,
  { hermetic = false, storeClaim }: Pick<PodPlan, 'hermetic' | 'storeClaim'>,
): Partial<V1PodSpec> {
  const { serviceAccountName, imagePullSecrets = [], automountServiceAccountToken = false, hostUsers } = options;
  const { restartPolicy = 'Always' } = options;
  return {
    // A container that is killed for memory is restarted, and its volumes stay readable. That
    // includes `OnFailure`, because the agent never ends with status 0.
    restartPolicy,
    terminationGracePeriodSeconds: terminationGraceSeconds,
    enableServiceLinks: false,
    automountServiceAccountToken: automountServiceAccountToken && !hermetic,
    ...(serviceAccountName === undefined ? {} : { serviceAccountName }),
    ...(imagePullSecrets.length === 0
      ? {}
      : { imagePullSecrets: [...new Set(imagePullSecrets)].map((name) => ({ name })) }),
    ...(hostUsers === undefined ? {} : { hostUsers }),
    // Otherwise the kubelet would change the group of all files of a store, which may be very many,
    // at each start.
    securityContext: podSecurityContext(options, storeClaim === undefined ? undefined : 'OnRootMismatch'),
  };
}

function podVolumes({ agentConfigMapName, volumesLimitBytes, storeClaim, secretMounts = [] }: PodPlan): V1Volume[] {
  return [
    {
      name: stateVolume,
      emptyDir: volumesLimitBytes === undefined ? {} : { sizeLimit: String(volumesLimitBytes) },
    },
    { name: agentVolume, configMap: { name: agentConfigMapName, defaultMode: 0o555 } },
    ...(storeClaim === undefined ? [] : [{ name: archivesVolume, persistentVolumeClaim: { claimName: storeClaim } }]),
    ...secretMounts.map(({ secretName, mode, optional }, index) => ({
      name: secretVolume(index),
      secret: { secretName, defaultMode: mode, ...(optional === undefined ? {} : { optional }) },
    })),
  ];
}

function secretVolume(index: number): string {
  return `kw-secret-${index}`;
}

function mainContainer(plan: PodPlan): V1Container {
  const { secretEnv = {}, secretMounts = [], storeClaim } = plan;
  const env = secretVariables(secretEnv);
  return {
    name: mainContainerName,
    ...pulled(plan.image, plan.pullPolicy),
    command: [`${agentMountPath}/agent`, 'serve', agentStatePath],
    ...(env.length === 0 ? {} : { env }),
    resources: resources(plan.limits, plan.requests),
    securityContext: mainSecurityContext(plan.options, plan),
    volumeMounts: [
      { name: stateVolume, mountPath: agentStatePath },
      { name: agentVolume, mountPath: agentMountPath, readOnly: true },
      ...(storeClaim === undefined ? [] : [{ name: archivesVolume, mountPath: archivesMountPath }]),
      ...outerFirst([
        ...volumeMounts(plan.volumes, false),
        ...secretMounts.map(({ mountPath }, index) => ({ name: secretVolume(index), mountPath, readOnly: true })),
      ]),
    ],
  };
}

/** A sidecar has the volumes, but neither the agent's state nor the main container's privileges. */
function sidecarContainer(plan: PodPlan, sidecar: SidecarSpec): V1Container {
  const { name, image, command, args, env = [], secretEnv = {}, dir, limits = {}, requests } = sidecar;
  const { ports, readinessProbe, readOnlyVolumes = false } = sidecar;
  return {
    name,
    ...pulled(image, plan.pullPolicy),
    ...(command === undefined ? {} : { command: command.map(literal) }),
    ...(args === undefined ? {} : { args: args.map(literal) }),
    ...(dir === undefined ? {} : { workingDir: dir }),
    env: [...literalVariables(env), ...secretVariables(secretEnv)],
    ...(ports === undefined ? {} : { ports: ports.map((port) => ({ protocol: 'TCP', ...copyOf(port) })) }),
    ...(readinessProbe === undefined ? {} : { readinessProbe: probe(readinessProbe) }),
    resources: resources(limits, requests),
    securityContext: sidecarSecurityContext(plan.options, plan.hermetic),
    volumeMounts: outerFirst(volumeMounts(plan.volumes, readOnlyVolumes)),
  };
}

function probe(spec: SidecarProbe): V1Probe {
  const { exec, httpGet, tcpSocket, ...times } = copyOf(spec);
  return {
    ...times,
    ...(exec === undefined ? {} : { exec }),
    ...(httpGet === undefined ? {} : { httpGet }),
    ...(tcpSocket === undefined ? {} : { tcpSocket }),
  };
}

function volumeMounts(volumes: readonly PlannedVolume[], readOnly: boolean): V1VolumeMount[] {
  return volumes.map(({ agentVolume: id, mountPath }) => ({
    name: stateVolume,
    mountPath,
    subPath: `volumes/${id}/data`,
    ...(readOnly ? { readOnly } : {}),
  }));
}

/**
 * Sorts outer paths first, so that a nested volume is mounted on its parent and not hidden by it.
 */
function outerFirst(mounts: readonly V1VolumeMount[]): V1VolumeMount[] {
  return mounts.toSorted((a, b) => (a.mountPath < b.mountPath ? -1 : a.mountPath > b.mountPath ? 1 : 0));
}
