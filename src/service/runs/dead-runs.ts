import type { ContainerInfo, Worker } from '../../index.ts';
import { containerPages } from '../container-pages.ts';
import { runOwnerKind, runReservationKind } from './run-owner.ts';

type RunsWorker = Pick<Worker, 'listContainers' | 'reservations'>;

/** Returns the containers of runs whose process has been dead for a time. */
export async function findDeadRuns(worker: RunsWorker, signal: AbortSignal): Promise<readonly ContainerInfo[]> {
  const containers: ContainerInfo[] = [];
  for await (const page of containerPages(worker, { ownerKind: runOwnerKind }, signal))
    containers.push(...page.filter(({ state }) => state === 'creating' || state === 'created'));
  if (containers.length === 0) return [];
  // Read after the containers: a run reserves first, and releases last.
  const living = new Set((await worker.reservations({ signal })).map(({ kind }) => kind));
  return containers.filter(({ owner }) => !living.has(runReservationKind(owner)));
}

/** Finishes the owners of dead runs, so that the reaper deletes their containers. Returns these. */
export async function finishDeadRuns(
  worker: RunsWorker & Pick<Worker, 'ownerFinished'>,
  signal: AbortSignal,
): Promise<readonly ContainerInfo[]> {
  const dead = await findDeadRuns(worker, signal);
  for (const { owner, handle } of dead) await worker.ownerFinished(owner, { handle, final: true, signal });
  return dead;
}
