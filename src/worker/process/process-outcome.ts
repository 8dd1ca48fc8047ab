import type { PodError } from '../../errors/pod.ts';
import type { ProcessResultRecord } from '../../repository/records.ts';
import type { ProcessOutcome } from '../../runtime/process-info.ts';

/** Creates the error for a process in a container that ran out of memory. */
export type MemoryKill = () => PodError;

/**
 * Converts a stored result into the host's.
 *
 * @throws OutOfMemoryError - the kernel killed a process in the container for memory, and the
 *   command has the exit status of a killed process, or of a shell after a kill of its command
 */
export function outcomeOf(result: ProcessResultRecord, memoryKill: MemoryKill): ProcessOutcome {
  if ((result.oomKills ?? 0) > 0 && result.exitStatus === 137) throw memoryKill();
  return storedOutcome(result);
}

/** Returns the facts of a stored result, whatever they mean. */
export function storedOutcome({
  exitStatus,
  signal,
  oomKills = 0,
  startedAt,
  finishedAt,
}: ProcessResultRecord): ProcessOutcome {
  return {
    exitStatus,
    ...(signal === undefined ? {} : { signal }),
    ...(oomKills === 0 ? {} : { oomKills }),
    ...(startedAt === undefined ? {} : { startedAt }),
    ...(finishedAt === undefined ? {} : { finishedAt }),
  };
}
