import { mainContainerName } from '../kubernetes/pod-spec/pod-spec.ts';
import type { ContainerRecord } from '../repository/records.ts';

/** The part of a container's specification that its processes use, as stored in its row. */
export interface ContainerSettings {
  readonly dir: string | undefined;
  readonly user: string | undefined;
  /** `NAME=value` entries for every process of the container. */
  readonly env: readonly string[];
  readonly sidecarNames: readonly string[];
  /** In bytes, by the name of the pod container. */
  readonly memoryLimits: ReadonlyMap<string, number | undefined>;
}

/** Reads the settings of a container's row. Values of another type count as missing. */
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
