import type { VolumeInfo, Worker, WorkerInfo } from '../../../index.ts';
import { containerPages } from '../../container-pages.ts';
import { examineAll, type ListedContainer } from '../container-list.ts';

/** What the database, and on request the pods, have at one time. */
export interface Snapshot {
  readonly worker: WorkerInfo;
  readonly containers: readonly ListedContainer[];
  readonly volumes: readonly VolumeInfo[];
}

export interface SnapshotTerms {
  /** Whether pods are asked for their processes. */
  readonly processes: boolean;
  /** The snapshot before: a pod that does not answer has the processes that it had there. */
  readonly before?: Snapshot | undefined;
  readonly signal: AbortSignal;
}

const pageSize = 1_000;

/** @throws WorkerNotRunningError if the worker was retired or pruned */
export async function readSnapshot(
  worker: Pick<Worker, 'info' | 'listContainers' | 'lookupContainer' | 'listVolumes'>,
  { processes, before, signal }: SnapshotTerms,
): Promise<Snapshot> {
  const earlier = new Map(before?.containers.map(({ handle, processes: known }) => [handle, known]));
  const known = (container: ListedContainer): ListedContainer =>
    container.problem === undefined ? container : { ...container, processes: earlier.get(container.handle) };
  const containers: ListedContainer[] = [];
  for await (const page of containerPages(worker, {}, signal))
    containers.push(...(processes ? (await examineAll(worker, page, signal)).map(known) : page));
  const volumes: VolumeInfo[] = [];
  for (let after: string | undefined; ; ) {
    const page = await worker.listVolumes({ after, limit: pageSize }, { signal });
    volumes.push(...page.volumes);
    after = page.next;
    if (after === undefined) break;
  }
  return { worker: await worker.info({ signal }), containers, volumes };
}
