import type { PodError } from '../errors/pod.ts';
import type { ProcessResultRecord } from '../repository/records.ts';
import type { ProcessResult } from '../runtime/process.ts';

/** Makes the error that says that memory ran out where the process was. */
export type MemoryKill = () => PodError;

/**
 * How a process ended, in the host's words.
 *
 * @throws OutOfMemoryError - the kernel killed in its container, and the command was it, or answered like a shell does whose command was
 */
export function outcomeOf(
  { exitStatus, signal, oomKills }: ProcessResultRecord,
  memoryKill: MemoryKill,
): ProcessResult {
  const kills = oomKills ?? 0;
  if (kills > 0 && exitStatus === 137) throw memoryKill();
  return { exitStatus, ...(signal === undefined ? {} : { signal }), ...(kills === 0 ? {} : { oomKills: kills }) };
}
