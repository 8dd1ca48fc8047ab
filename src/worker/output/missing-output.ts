import { OutcomeUnknownError, OutputFreedError, type ProcessFacts } from '../../errors/process.ts';
import type { ProcessResultRecord } from '../../repository/records.ts';
import type { OutputPosition, ProcessIO, UndeliveredOutput } from '../../runtime/process.ts';

/**
 * Returns the output that a host misses if only the stored result of the process remains.
 *
 * @param from - the position that the delivery has reached. With "now" nothing is missing
 */
export function missingOutput(
  { stdoutBytes, stderrBytes }: ProcessResultRecord,
  from: OutputPosition,
  io: Pick<ProcessIO, 'stdout' | 'stderr' | 'output'>,
  facts: ProcessFacts,
): readonly UndeliveredOutput[] {
  if (from === 'now') return [];
  const start = from === 'start' ? { stdoutBytes: 0, stderrBytes: 0 } : from;
  return [
    ...((io.stdout ?? io.output) === undefined ? [] : missing('stdout', start.stdoutBytes, stdoutBytes, facts)),
    ...((io.stderr ?? io.output) === undefined ? [] : missing('stderr', start.stderrBytes, stderrBytes, facts)),
  ];
}

function missing(
  stream: 'stdout' | 'stderr',
  fromBytes: number,
  toBytes: number | undefined,
  facts: ProcessFacts,
): readonly UndeliveredOutput[] {
  if (toBytes === undefined) {
    const subject = `${stream} of process ${facts.processId} in container ${facts.handle}`;
    return [
      {
        stream,
        cause: new OutcomeUnknownError(
          subject,
          `the pod no longer exists, and its output size was not stored, so output after byte ${fromBytes} may be missing`,
        ),
      },
    ];
  }
  return toBytes <= fromBytes ? [] : [{ stream, cause: new OutputFreedError(facts, { stream, fromBytes, toBytes }) }];
}
