import type { Cluster } from '../kubernetes/cluster.ts';
import type { WorkerStates } from '../repository/worker-states.ts';
import type { AbortOptions } from '../runtime/options.ts';
import type { DependencyState, ProbeOptions } from '../runtime/worker-controllers.ts';

export interface ProbeComponents {
  readonly workerName: string;
  readonly states: Pick<WorkerStates, 'find'>;
  readonly cluster: Pick<Cluster, 'probePods'>;
  readonly stores: ReadonlyMap<string, { probe?(options?: AbortOptions): Promise<void> }>;
  /** Aborts work that takes longer. */
  readonly within: (limitMs: number, work: Work, signal: AbortSignal | undefined) => Promise<void>;
}

type Work = (signal: AbortSignal) => Promise<void>;

const defaultTimeoutMs = 5_000;

/** Sends one request to each dependency. Rejects only with the signal's reason. */
export async function probeWorker(
  { workerName, states, cluster, stores, within }: ProbeComponents,
  { timeoutMs = defaultTimeoutMs, signal: caller }: ProbeOptions = {},
): Promise<readonly DependencyState[]> {
  const probe = async (name: string, work: Work): Promise<DependencyState> => {
    try {
      await within(timeoutMs, work, caller);
      return { name, ok: true, message: 'answers' };
    } catch (error) {
      caller?.throwIfAborted();
      return { name, ok: false, message: error instanceof Error ? error.message : String(error) };
    }
  };
  const findWorker: Work = async (signal) => {
    if ((await states.find(workerName, { signal })) === undefined)
      throw new Error(`the worker ${workerName} has been retired or pruned`);
  };
  const ofStores = [...stores].flatMap(([name, store]) =>
    store.probe === undefined ? [] : [probe(`store:${name}`, async (signal) => store.probe?.({ signal }))],
  );
  return await Promise.all([
    probe('database', findWorker),
    probe('api-server', (signal) => cluster.probePods({ signal })),
    ...ofStores,
  ]);
}
