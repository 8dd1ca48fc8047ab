import { mainContainerName } from '../../kubernetes/pod-spec/pod-spec.ts';
import type { ContainerRecord } from '../../repository/records.ts';
import type { TaskCacheStep } from '../../runtime/caches.ts';

/** The part of a container's specification that its processes use, as stored in its row. */
export interface ContainerSettings {
  readonly dir: string | undefined;
  readonly user: string | undefined;
  /** `NAME=value` entries for every process of the container. */
  readonly env: readonly string[];
  readonly sidecarNames: readonly string[];
  /** The step that the caches belong to. */
  readonly taskCache: TaskCacheStep | undefined;
  /** In bytes, by the name of the pod container. */
  readonly memoryLimits: ReadonlyMap<string, number | undefined>;
}

/** Reads the settings of a container's row. Values of another type count as missing. */
export function containerSettings({ settings }: Pick<ContainerRecord, 'settings'>): ContainerSettings {
  const { dir, user, env, memoryBytes, sidecars, taskCache } = settings;
  const known = Object.entries(isObject(sidecars) ? sidecars : {});
  return {
    dir: typeof dir === 'string' ? dir : undefined,
    user: typeof user === 'string' ? user : undefined,
    env: Array.isArray(env) ? env.filter((entry) => typeof entry === 'string') : [],
    sidecarNames: known.map(([name]) => name),
    taskCache: stepOf(taskCache),
    memoryLimits: new Map([
      [mainContainerName, bytesOf(memoryBytes)],
      ...known.map(
        ([name, sidecar]) => [name, isObject(sidecar) ? bytesOf(sidecar['memoryBytes']) : undefined] as const,
      ),
    ]),
  };
}

function stepOf(value: unknown): TaskCacheStep | undefined {
  if (!isObject(value)) return undefined;
  const { job, step } = value;
  return typeof job === 'string' && typeof step === 'string' ? { job, step } : undefined;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function bytesOf(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined;
}
