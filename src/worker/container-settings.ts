import { mainContainerName } from '../kubernetes/pod-spec.ts';
import type { ContainerRecord } from '../repository/records.ts';

/** What processes need of their container's specification, as its row has it. */
export interface ContainerSettings {
  readonly dir: string | undefined;
  readonly user: string | undefined;
  /** `NAME=value`, for every process of the container. */
  readonly env: readonly string[];
  readonly sidecarNames: readonly string[];
  /** In bytes, by the pod container's name. */
  readonly memoryLimits: ReadonlyMap<string, number | undefined>;
}

export function containerSettings({ settings }: ContainerRecord): ContainerSettings {
  const { dir, user, env, memoryBytes, sidecars } = settings;
  const known = Object.entries(isObject(sidecars) ? sidecars : {});
  return {
    dir: typeof dir === 'string' ? dir : undefined,
    user: typeof user === 'string' ? user : undefined,
    env: Array.isArray(env) ? env.filter((entry) => typeof entry === 'string') : [],
    sidecarNames: known.map(([name]) => name),
    memoryLimits: new Map([
      [mainContainerName, bytesOf(memoryBytes)],
      ...known.map(
        ([name, sidecar]) => [name, isObject(sidecar) ? bytesOf(sidecar['memoryBytes']) : undefined] as const,
      ),
    ]),
  };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function bytesOf(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined;
}
