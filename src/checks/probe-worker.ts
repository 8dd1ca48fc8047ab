import type { Cluster } from '../kubernetes/cluster.ts';
import type { WorkerStates } from '../repository/worker-states.ts';
import type { AbortOptions } from '../runtime/options.ts';
import type { DependencyState } from '../runtime/worker-controllers.ts';

export interface ProbeComponents {
  readonly workerName: string;
  readonly states: Pick<WorkerStates, 'find'>;
  readonly cluster: Pick<Cluster, 'probePods'>;
  readonly stores: ReadonlyMap<string, { probe?(options?: AbortOptions): Promise<void> }>;
}

/** Sends one request to each dependency. Rejects only with the signal's reason. */
export async function probeWorker(
  { workerName, states, cluster, stores }: ProbeComponents,
  options: AbortOptions = {},
): Promise<readonly DependencyState[]> {
  const probes = [
    probe('database', options, async () => {
      if ((await states.find(workerName, options)) === undefined)
        throw new Error(`the worker ${workerName} has been retired or pruned`);
    }),
    probe('api-server', options, () => cluster.probePods(options)),
    ...[...stores].flatMap(([name, store]) =>
      store.probe === undefined ? [] : [probe(`store:${name}`, options, async () => store.probe?.(options))],
    ),
  ];
  return await Promise.all(probes);
}

async function probe(name: string, { signal }: AbortOptions, work: () => Promise<void>): Promise<DependencyState> {
  try {
    await work();
    return { name, ok: true, message: 'answers' };
  } catch (error) {
    signal?.throwIfAborted();
    return { name, ok: false, message: error instanceof Error ? error.message : String(error) };
  }
}
