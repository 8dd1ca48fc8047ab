import { InvalidSpecError } from '../errors/caller.ts';
import type { PodRemover } from '../pods/pod-remover.ts';
import type { Repository } from '../repository/repository.ts';
import type { ContainerOwner } from '../runtime/container.ts';
import type { DeletePodNow, OwnerFinishedOptions } from '../runtime/worker.ts';

export interface FinishOwnerComponents {
  readonly repository: Pick<Repository, 'containers' | 'queries'>;
  readonly remover: Pick<PodRemover, 'delete'>;
}

/**
 * Marks the owner's container for the reaper. On request it then deletes the pods that the owner no
 * longer needs, also those of an earlier call whose deletion failed.
 */
export async function finishOwner(
  workerName: string,
  owner: ContainerOwner,
  { deletePod, ...marking }: OwnerFinishedOptions,
  { repository, remover }: FinishOwnerComponents,
): Promise<void> {
  if (deletePod !== undefined) checkGracePeriod(deletePod);
  await repository.containers.markOwnerFinished(workerName, owner, marking);
  if (deletePod === undefined) return;
  const { handle, signal } = marking;
  const { gracePeriodSeconds } = deletePod;
  const finished = await repository.queries.findFinished(workerName, owner, { handle, signal });
  for (const { podName, podUid: uid, handle: container } of finished)
    await remover.delete(podName, container, { uid, gracePeriodSeconds, signal });
}

/** @throws InvalidSpecError */
function checkGracePeriod({ gracePeriodSeconds: seconds = 0 }: DeletePodNow): void {
  if (!Number.isSafeInteger(seconds) || seconds < 0)
    throw new InvalidSpecError('deletePod.gracePeriodSeconds', `${seconds} is not a whole number of seconds`);
}
