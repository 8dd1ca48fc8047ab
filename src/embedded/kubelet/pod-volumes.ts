import { chmod, chown, mkdir, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, posix, sep } from 'node:path';
import type { V1Container, V1KeyToPath, V1Volume } from '@kubernetes/client-node';
import type { ContainerMount } from '../isolation/container-runtime.ts';
import { isRecord, type Pod } from '../objects/api-object.ts';
import type { ObjectStore } from '../objects/object-store.ts';
import { podField, sourceValues } from './environment.ts';
import { expandVariables } from './expansion.ts';

/**
 * A volume cannot be set up now, but possibly later. `message` is the text of the kubelet's event.
 */
export class VolumeNotReadyError extends Error {}

interface VolumeContext {
  readonly store: ObjectStore;
  /** The directory of this pod's volumes. */
  readonly directory: string;
  /** The directory of the claims of all pods. */
  readonly claims: string;
}

/** The directory (or file) of this machine behind a volume. */
export interface VolumeSource {
  readonly path: string;
  readonly readOnly: boolean;
}

/**
 * Creates the directories of a pod's volumes.
 * @throws VolumeNotReadyError if the source of a volume does not exist yet
 */
export async function setUpVolumes(pod: Pod, context: VolumeContext): Promise<ReadonlyMap<string, VolumeSource>> {
  const sources = new Map<string, VolumeSource>();
  for (const volume of pod.spec.volumes ?? []) sources.set(volume.name, await setUpVolume(pod, volume, context));
  return sources;
}

async function setUpVolume(pod: Pod, volume: V1Volume, context: VolumeContext): Promise<VolumeSource> {
  const path = join(context.directory, volume.name);
  const group = pod.spec.securityContext?.fsGroup;
  if (volume.hostPath) return { path: await hostPath(volume), readOnly: false };
  if (volume.persistentVolumeClaim) {
    const { claimName, readOnly = false } = volume.persistentVolumeClaim;
    return { path: await openClaim(pod, claimName, context, group), readOnly };
  }
  const files = volumeFiles(pod, volume, context.store);
  if (files === undefined) {
    await mkdir(path, { recursive: true });
    await makeWorldWritable(path, group);
    return { path, readOnly: false };
  }
  const staging = `${path}.new`;
  await rm(staging, { recursive: true, force: true });
  await mkdir(staging, { recursive: true });
  await chmod(staging, 0o755);
  for (const file of files) await writeVolumeFile(staging, file, group);
  await rm(path, { recursive: true, force: true });
  await rename(staging, path);
  return { path, readOnly: true };
}

interface VolumeFile {
  readonly path: string;
  readonly mode: number;
  readonly content: Buffer;
}

/**
 * Returns the files of a volume whose source is an object. Returns `undefined` for a volume that
 * starts empty.
 */
function volumeFiles(pod: Pod, volume: V1Volume, store: ObjectStore): VolumeFile[] | undefined {
  const namespace = pod.metadata.namespace ?? 'default';
  const from = (
    kind: 'configmaps' | 'secrets',
    name: string,
    source: { optional?: boolean; items?: V1KeyToPath[]; defaultMode?: number },
  ) => {
    const values = sourceValues(store, kind, namespace, name);
    if (values === undefined && source.optional !== true)
      throw new VolumeNotReadyError(
        `MountVolume.SetUp failed for volume "${volume.name}" : ${kind.slice(0, -1)} "${name}" not found`,
      );
    return selectKeys(values ?? new Map(), source, volume.name);
  };
  if (volume.configMap) return from('configmaps', volume.configMap.name ?? '', volume.configMap);
  if (volume.secret) return from('secrets', volume.secret.secretName ?? '', volume.secret);
  if (volume.downwardAPI) {
    const { items = [], defaultMode = 0o644 } = volume.downwardAPI;
    return items.map((item) => ({
      path: item.path,
      mode: item.mode ?? defaultMode,
      content: Buffer.from(podField(pod, item.fieldRef?.fieldPath ?? '') ?? ''),
    }));
  }
  return undefined;
}

function selectKeys(
  values: ReadonlyMap<string, Buffer>,
  source: { optional?: boolean; items?: V1KeyToPath[]; defaultMode?: number },
  volume: string,
): VolumeFile[] {
  const { items, defaultMode = 0o644 } = source;
  if (items === undefined) return [...values].map(([path, content]) => ({ path, mode: defaultMode, content }));
  return items.flatMap((item) => {
    const content = values.get(item.key);
    if (content !== undefined) return [{ path: item.path, mode: item.mode ?? defaultMode, content }];
    if (source.optional === true) return [];
    throw new VolumeNotReadyError(
      `MountVolume.SetUp failed for volume "${volume}" : references non-existent config key: ${item.key}`,
    );
  });
}

async function writeVolumeFile(root: string, file: VolumeFile, group: number | undefined): Promise<void> {
  const path = join(root, posix.join('/', file.path));
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, file.content);
  if (group !== undefined && process.getuid?.() === 0) await chown(path, 0, group);
  await chmod(path, group === undefined ? file.mode : file.mode | 0o040);
}

/**
 * Makes a directory writable for all users, as the kubelet does for an emptyDir. With fsGroup, the
 * group owns it, and new entries inherit the group.
 */
async function makeWorldWritable(path: string, group: number | undefined): Promise<void> {
  if (group !== undefined && process.getuid?.() === 0) await chown(path, 0, group);
  await chmod(path, group === undefined ? 0o777 : 0o2777);
}

async function hostPath(volume: V1Volume): Promise<string> {
  const { path = '/', type } = volume.hostPath ?? {};
  if (type === 'DirectoryOrCreate') await mkdir(path, { recursive: true });
  if (type === 'FileOrCreate') await writeFile(path, '', { flag: 'a' });
  const exists = await stat(path).then(
    () => true,
    () => false,
  );
  if (!exists)
    throw new VolumeNotReadyError(
      `MountVolume.SetUp failed for volume "${volume.name}" : hostPath type check failed: ${path} is not a directory`,
    );
  return path;
}

async function openClaim(pod: Pod, name: string, context: VolumeContext, group: number | undefined): Promise<string> {
  const claim = context.store.find('persistentvolumeclaims', pod.metadata.namespace, name);
  if (claim === undefined) throw new VolumeNotReadyError(`persistentvolumeclaim "${name}" not found`);
  const path = join(context.claims, claim.metadata.uid);
  const made = await mkdir(path, { recursive: true });
  if (made !== undefined) await makeWorldWritable(path, group);
  return path;
}

interface MountRequest {
  readonly container: V1Container;
  readonly volumes: ReadonlyMap<string, VolumeSource>;
  readonly environment: ReadonlyMap<string, string>;
}

/**
 * Returns the mounts of a container. Creates a missing `subPath`, writable for all users, as the
 * kubelet does.
 * @throws VolumeNotReadyError for a `subPath` that leads out of its volume
 */
export async function containerMounts({ container, volumes, environment }: MountRequest): Promise<ContainerMount[]> {
  const mounts: ContainerMount[] = [];
  for (const mount of container.volumeMounts ?? []) {
    const volume = volumes.get(mount.name);
    if (volume === undefined) continue;
    const subPath =
      mount.subPath ?? (mount.subPathExpr === undefined ? '' : expandVariables(mount.subPathExpr, environment));
    const source = subPath === '' ? volume.path : await openSubPath(volume.path, subPath);
    const kind = (await stat(source)).isDirectory() ? ('directory' as const) : ('file' as const);
    const path = posix.resolve('/', mount.mountPath);
    mounts.push({ path, source, kind, readOnly: volume.readOnly || mount.readOnly === true });
  }
  return mounts;
}

async function openSubPath(root: string, subPath: string): Promise<string> {
  const parts = subPath.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) throw new VolumeNotReadyError(`subPath ${JSON.stringify(subPath)} must not contain '..'`);
  const base = await realpath(root);
  let path = base;
  for (const part of parts) {
    const next = join(path, part);
    const made = await mkdir(next).then(
      () => true,
      (error: unknown) => {
        if (isRecord(error) && error['code'] === 'EEXIST') return false;
        throw error;
      },
    );
    if (made) await chmod(next, 0o777);
    path = await realpath(next);
    if (path !== base && !path.startsWith(`${base}${sep}`))
      throw new VolumeNotReadyError(`subPath ${JSON.stringify(subPath)} leads out of its volume`);
  }
  return path;
}
