import type { LabelledPod } from '../pods/pod-remover.ts';
import type { ContainerQueries } from '../repository/container-queries.ts';
import type { AbortOptions } from '../runtime/options.ts';

export interface UnknownPodsComponents {
  readonly workerName: string;
  readonly pods: {
    /** Returns all pods of the installation that are not being deleted. Never a part of them. */
    list(options?: AbortOptions): Promise<readonly LabelledPod[]>;
  };
  readonly queries: Pick<ContainerQueries, 'unknownHandles' | 'unknownWorkers'>;
}

/** How many pods or workers are looked up at once. */
const partSize = 1_000;

/**
 * Returns the pods without a row: those of this worker, and those of workers whose row was deleted,
 * which have no reaper. A pod of another worker that exists is left to its own reaper. A store pod
 * has no row: it is unknown if its worker's row was deleted, and otherwise stays.
 *
 * A row is inserted before its pod is created, so a pod that was listed before the database was
 * asked is not one that is about to get a row.
 */
export async function findUnknownPods(
  { workerName, pods, queries }: UnknownPodsComponents,
  options: AbortOptions,
): Promise<readonly LabelledPod[]> {
  const listed = await pods.list(options);
  const examined = listed.filter((pod) => pod.isStore || pod.workerName !== workerName);
  const names = new Set(examined.map((pod) => pod.workerName));
  const deleted = await findIn([...names], (some) => queries.unknownWorkers(some, options));
  const candidates = listed.filter((pod) => pod.workerName === workerName || deleted.has(pod.workerName));
  const handles = candidates.filter(({ isStore }) => !isStore).map(({ handle }) => handle);
  const unknown = await findIn(handles, (some) => queries.unknownHandles(some, options));
  return candidates.filter(({ handle, isStore, workerName: name }) =>
    isStore ? deleted.has(name) : unknown.has(handle),
  );
}

async function findIn(
  names: readonly string[],
  find: (names: readonly string[]) => Promise<readonly string[]>,
): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  for (let from = 0; from < names.length; from += partSize)
    for (const name of await find(names.slice(from, from + partSize))) found.add(name);
  return found;
}
