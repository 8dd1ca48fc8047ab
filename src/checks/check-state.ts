import { WorkerNotRunningError } from '../errors/worker.ts';
import type { CheckFinding } from '../runtime/check.ts';
import type { WorkerInfo, WorkerState } from '../runtime/worker-lifecycle.ts';
import { failure, warning } from './finding.ts';

const check = 'worker-state';

const refused = 'It creates no new container and no artifact volume.';
const resume = 'Call `resume()` if the worker is to create containers again.';
const findings: Readonly<Record<Exclude<WorkerState, 'running'>, readonly [string, string]>> = {
  stalled: [
    'The last heartbeat has expired.',
    'Check that a host sends heartbeats (`heartbeatEveryMs`), and the log of one for why they fail.',
  ],
  landing: [refused, resume],
  landed: [refused, resume],
  retiring: [refused, resume],
};

/** Returns a finding if the worker is not running. Without a row, calls fail. */
export function checkState(workerName: string, worker: WorkerInfo | undefined): readonly CheckFinding[] {
  if (worker === undefined) return [failure(check, new WorkerNotRunningError(workerName, 'retired'))];
  const { state } = worker;
  if (state === 'running') return [];
  const [consequence, advice] = findings[state];
  return [warning(check, `Worker ${workerName} is ${state}. ${consequence}`, advice)];
}
