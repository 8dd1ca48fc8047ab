import { checkTaskCacheStep } from '../../caches/cache-keys.ts';
import { InvalidSpecError } from '../../errors/caller.ts';
import { parseImageReference } from '../../images/image-reference.ts';
import { cleanPath } from '../../kubernetes/pod-spec/pod-mount-path.ts';
import { checkPodOptions } from '../../kubernetes/pod-spec/pod-option-check.ts';
import type { PlannedVolume, PodRequest } from '../../kubernetes/pod-spec/pod-spec.ts';
import type { TaskCacheStep } from '../../runtime/caches.ts';
import type { Architecture, ContainerSpec } from '../../runtime/container.ts';
import type { SidecarSpec } from '../../runtime/sidecar.ts';
import type { Artifact, VolumeMount } from '../../runtime/volume.ts';
import { checkTexts, checkTotal } from './exec-limits.ts';
import { checkAmount, checkResources } from './resource-plan.ts';
import { checkSecretEnv, planSecretMounts } from './secret-plan.ts';
import { checkSidecarNetwork } from './sidecar-plan.ts';

/** A validated container specification. Every path is absolute and normalized. */
export interface ContainerPlan {
  readonly dir: string | undefined;
  readonly user: string | undefined;
  readonly environment: readonly string[];
  readonly mounts: readonly PlannedMount[];
  /** Fills the caches. */
  readonly taskCache: TaskCacheStep | undefined;
  readonly resourceType: string | undefined;
  /** @defaultValue a name that the library generates */
  readonly podName: string | undefined;
  /** Its images are valid references, and not resolved yet. */
  readonly pod: Omit<PodRequest, 'volumes' | 'image'> & { readonly image: string | undefined };
}

export interface PlannedMount {
  readonly kind: VolumeMount['kind'];
  readonly mountPath: string;
  /** The output's name. */
  readonly name: string | undefined;
  /** Fills the volume before any command runs. */
  readonly artifact: Artifact | undefined;
}

/**
 * Returns one volume per mount, with an id as long as the real one, so that a pod built from them
 * has the size of the container's pod.
 */
export function placeholderVolumes({ mounts }: ContainerPlan): readonly PlannedVolume[] {
  return mounts.map(({ mountPath }) => ({ agentVolume: placeholderId, mountPath }));
}

/** As long as a volume's id. */
const placeholderId = '00000000-0000-0000-0000-000000000000';

/**
 * Validates a specification and resolves its paths.
 *
 * @throws InvalidSpecError - names the field
 */
export function planContainer(spec: ContainerSpec): ContainerPlan {
  if (spec.image !== undefined) parseImageReference('image', spec.image);
  const dir = spec.dir === undefined ? undefined : cleanPath('dir', spec.dir, undefined);
  const environment = checkTotal('env', checkEnvironment('env', spec.env));
  const mounts = planMounts(spec, dir);
  const paths = mounts.map(({ mountPath }) => mountPath);
  checkResources('', spec.limits, spec.requests);
  checkAmount('volumesLimitBytes', spec.volumesLimitBytes, 1);
  checkPodOptions('pod', spec.pod);
  if (spec.taskCache !== undefined) checkTaskCacheStep('taskCache.', spec.taskCache);
  if (spec.hermetic === true && spec.privileged === true)
    throw new InvalidSpecError('hermetic', 'true is not allowed with privileged');
  return {
    dir,
    user: checkUser('user', spec.user),
    environment,
    mounts,
    taskCache: spec.taskCache,
    resourceType: spec.resourceType,
    podName: spec.podName === undefined ? undefined : checkDnsLabel('podName', spec.podName),
    pod: {
      image: spec.image,
      limits: spec.limits ?? {},
      requests: spec.requests,
      volumesLimitBytes: spec.volumesLimitBytes,
      secretEnv: checkSecretEnv('secretEnv', spec.secretEnv, environment),
      secretMounts: planSecretMounts(spec.secretMounts ?? [], dir, paths),
      sidecars: checkSidecars(spec.sidecars ?? []),
      privileged: spec.privileged ?? false,
      hermetic: spec.hermetic ?? false,
      architecture: checkPlatform(spec.platform),
      podOptions: spec.pod,
    },
  };
}

/** @throws InvalidSpecError */
function checkDnsLabel(field: string, text: string): string {
  if (!/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(text))
    throw new InvalidSpecError(field, `${JSON.stringify(text)} is not a DNS label`);
  return text;
}

function checkPlatform(platform: string | undefined): Architecture | undefined {
  if (platform === undefined || platform === 'amd64' || platform === 'arm64') return platform;
  throw new InvalidSpecError('platform', `${JSON.stringify(platform)} is not amd64 or arm64`);
}

/**
 * Plans one mount per path. An output at an input's path uses the input's volume. Any other
 * duplicate path is an error. The working directory gets its own volume unless another mount has
 * its path.
 */
function planMounts(spec: ContainerSpec, dir: string | undefined): readonly PlannedMount[] {
  const mounts = new Map<string, PlannedMount & { readonly field: string }>();
  const add = (field: string, mount: PlannedMount): void => {
    const other = mounts.get(mount.mountPath);
    const isOutputOfInput = other?.kind === 'input' && mount.kind === 'output';
    if (other !== undefined && !isOutputOfInput)
      throw new InvalidSpecError(field, `${mount.mountPath} is already the path of ${other.field}`);
    mounts.set(mount.mountPath, { ...mount, artifact: other?.artifact ?? mount.artifact, field });
  };
  for (const [index, input] of (spec.inputs ?? []).entries()) {
    const field = `inputs[${index}].path`;
    add(field, {
      kind: 'input',
      mountPath: cleanPath(field, input.path, dir),
      name: undefined,
      artifact: input.artifact,
    });
  }
  for (const [name, path] of Object.entries(spec.outputs ?? {})) {
    const field = `outputs.${name}`;
    add(field, { kind: 'output', mountPath: cleanPath(field, path, dir), name, artifact: undefined });
  }
  for (const [index, path] of (spec.caches ?? []).entries()) {
    const field = `caches[${index}]`;
    add(field, { kind: 'cache', mountPath: cleanPath(field, path, dir), name: undefined, artifact: undefined });
  }
  if (dir !== undefined && !mounts.has(dir))
    add('dir', { kind: 'dir', mountPath: dir, name: undefined, artifact: undefined });
  return [...mounts.values()].map(({ kind, mountPath, name, artifact }) => ({ kind, mountPath, name, artifact }));
}

/**
 * Checks the entries of an environment. An error names the variable, but never contains its value
 * or an entry without a name, because both may be secrets.
 *
 * @throws InvalidSpecError - an entry has no name, contains a NUL or is too long
 */
export function checkEnvironment(field: string, entries: readonly string[] | undefined): readonly string[] {
  for (const [index, entry] of (entries ?? []).entries()) {
    const name = /^([^=\0]+)=/.exec(entry)?.[1];
    if (name === undefined) throw new InvalidSpecError(`${field}[${index}]`, 'is not NAME=value');
    if (entry.includes('\0'))
      throw new InvalidSpecError(`${field}[${index}]`, `the value of ${JSON.stringify(name)} contains a NUL`);
  }
  return checkTexts(field, entries ?? []);
}

/**
 * @throws InvalidSpecError - an argument contains a NUL. The error does not contain the argument,
 *   which may be a secret
 */
export function checkArguments(field: string, args: readonly string[] | undefined): readonly string[] {
  for (const [index, arg] of (args ?? []).entries()) {
    if (arg.includes('\0')) throw new InvalidSpecError(`${field}[${index}]`, 'contains a NUL');
  }
  return args ?? [];
}

/** @throws InvalidSpecError - the user is not `name`, `uid`, `name:group` or `uid:gid` */
export function checkUser(field: string, user: string | undefined): string | undefined {
  if (user !== undefined && !/^[^:\s\0]+(:[^:\s\0]+)?$/.test(user))
    throw new InvalidSpecError(field, `${JSON.stringify(user)} is not a user`);
  return user;
}

function checkSidecars(sidecars: readonly SidecarSpec[]): readonly SidecarSpec[] {
  const names = new Set(['main']);
  for (const [index, sidecar] of sidecars.entries()) {
    const field = `sidecars[${index}]`;
    checkDnsLabel(`${field}.name`, sidecar.name);
    if (names.has(sidecar.name))
      throw new InvalidSpecError(`${field}.name`, `${JSON.stringify(sidecar.name)} is already in use`);
    names.add(sidecar.name);
    parseImageReference(`${field}.image`, sidecar.image);
    checkArguments(`${field}.command`, sidecar.command);
    checkArguments(`${field}.args`, sidecar.args);
    checkEnvironment(`${field}.env`, sidecar.env);
    for (const part of ['command', 'args'] as const) checkTexts(`${field}.${part}`, sidecar[part] ?? []);
    checkSecretEnv(`${field}.secretEnv`, sidecar.secretEnv, sidecar.env);
    checkResources(`${field}.`, sidecar.limits, sidecar.requests);
  }
  checkSidecarNetwork(sidecars);
  return sidecars;
}
