import type { PodError } from '../errors/pod.ts';
import type { ProcessResultRecord } from '../repository/records.ts';
import type { ProcessResult } from '../runtime/process.ts';

/** Creates the error for a process in a container that ran out of memory. */
export type MemoryKill = () => PodError;

/**
 * Converts a stored result into the host's.
 *
 * @throws OutOfMemoryError - the kernel killed a process in the container for memory, and the
 *   command has the exit status of a killed process, or of a shell after a kill of its command
 */
export function outcomeOf(
  { exitStatus, signal, oomKills }: ProcessResultRecord,
  memoryKill: MemoryKill,
): ProcessResult {
  const kills = oomKills ?? 0;
  if (kills > 0 && exitStatus === 137) throw memoryKill();
  return { exitStatus, ...(signal === undefined ? {} : { signal }), ...(kills === 0 ? {} : { oomKills: kills }) };
}
