import { InvalidSpecError } from '../errors/caller.ts';
import type { PodRemover } from '../pods/pod-remover.ts';
import type { Repository } from '../repository/repository.ts';
import type { ContainerOwner } from '../runtime/container.ts';
import type { DeletePodNow, OwnerFinishedOptions } from '../runtime/worker.ts';

export interface FinishOwnerComponents {
  readonly repository: Pick<Repository, 'containers' | 'queries'>;
  readonly remover: Pick<PodRemover, 'delete'>;
  /** The longest time for which a container is kept, in milliseconds. */
  readonly maxKeptMs: number;
}

/**
 * Marks the owner's container for the reaper, or keeps it for a time. On request, it then deletes
 * the pods that the owner no longer needs, including those that an earlier call failed to delete.
 */
export async function finishOwner(
  workerName: string,
  owner: ContainerOwner,
  { deletePod, keepForMs, ...marking }: OwnerFinishedOptions,
  { repository, remover, maxKeptMs }: FinishOwnerComponents,
): Promise<void> {
  if (deletePod !== undefined) checkGracePeriod(deletePod);
  if (keepForMs !== undefined) checkKeeping(keepForMs, deletePod);
  const keeping = keepForMs === undefined ? {} : { keepForMs: Math.min(keepForMs, maxKeptMs) };
  await repository.containers.markOwnerFinished(workerName, owner, { ...marking, ...keeping });
  if (deletePod === undefined) return;
  const { handle, signal } = marking;
  const { gracePeriodSeconds } = deletePod;
  const finished = await repository.queries.findFinished(workerName, owner, { handle, signal });
  for (const { podName, podUid: uid, handle: container } of finished)
    await remover.delete(podName, container, { uid, gracePeriodSeconds, signal });
}

/** @throws InvalidSpecError */
function checkKeeping(keepForMs: number, deletePod: DeletePodNow | undefined): void {
  if (!(Number.isSafeInteger(keepForMs) && keepForMs > 0))
    throw new InvalidSpecError('keepForMs', `${keepForMs} is not a positive number of milliseconds`);
  if (deletePod !== undefined)
    throw new InvalidSpecError('deletePod', 'cannot be combined with keepForMs, which keeps the pod');
}

/** @throws InvalidSpecError */
function checkGracePeriod({ gracePeriodSeconds: seconds = 0 }: DeletePodNow): void {
  if (!Number.isSafeInteger(seconds) || seconds < 0)
    throw new InvalidSpecError('deletePod.gracePeriodSeconds', `${seconds} is not a whole number of seconds`);
}
