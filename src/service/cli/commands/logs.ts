import { Command } from 'commander';

import type { Container, ProcessInfo, ProcessPosition } from '../../../index.ts';
import type { DefineCommand } from '../cli-context.ts';
import { CliError, UsageError } from '../cli-error.ts';
import { ExitCode } from '../exit-code.ts';
import { findContainer } from '../find-container.ts';
import { currentEnd, observeOutput } from '../observed-output.ts';
import { print, warn } from '../output.ts';
import { printable } from '../printable.ts';
import { configurable, withWorker } from '../worker-command.ts';

interface LogsOptions {
  readonly follow?: boolean;
  readonly sinceBytes: string;
}

/** `logs`: the output of a process, which stays as it is. */
export const logsCommand: DefineCommand = (context, setExitCode) =>
  configurable(
    new Command('logs')
      .description('Print the output of a process, without an effect on it or its host.')
      .argument('<handle>', 'The container.')
      .argument('[process]', 'The ID of the process. Needed if the container has several.')
      .option('-f, --follow', 'Continue until the process ends.')
      .option('--since-bytes <n[,m]>', 'Skip n bytes of stdout, and m bytes of stderr.', '0')
      .action(async (handle: string, process: string | undefined, options: LogsOptions, command: Command) => {
        const from = positionOf(options.sinceBytes);
        const { signal, stdout, stderr } = context;
        await withWorker(command, context, async (worker) => {
          const container = await findContainer(worker, handle, signal);
          const { id: processId, state } = await findProcess(container, process, signal);
          const isLimited = options.follow !== true && state === 'running';
          const missing = await observeOutput(container, {
            processId,
            from,
            end: isLimited ? await currentEnd(container, processId, signal) : undefined,
            write: ({ stream, bytes }) => print(stream === 'stdout' ? stdout : stderr, bytes),
            signal,
          });
          for (const text of missing) warn(stderr, text);
          if (missing.length > 0) setExitCode(ExitCode.Failure);
        });
      }),
  );

/** @throws UsageError */
function positionOf(text: string): ProcessPosition {
  const [, stdout = '', stderr = '0'] = /^(\d{1,15})(?:,(\d{1,15}))?$/.exec(text) ?? [];
  if (stdout === '')
    throw new UsageError(
      `--since-bytes: ${printable(text)} is not a number of bytes, or two with a comma between them`,
    );
  return { stdoutBytes: Number(stdout), stderrBytes: Number(stderr) };
}

async function findProcess(container: Container, id: string | undefined, signal: AbortSignal): Promise<ProcessInfo> {
  const processes = await container.listProcesses({ signal });
  const [only] = processes;
  const found = id === undefined ? only : processes.find((process) => process.id === id);
  const advice = processes.length === 0 ? undefined : `its processes: ${processes.map((each) => each.id).join(', ')}`;
  if (found === undefined) {
    const what = id === undefined ? 'a process' : `a process ${id}`;
    throw new CliError(`container ${container.handle} has never started ${what}`, ExitCode.Failure, { advice });
  }
  if (id === undefined && processes.length > 1)
    throw new UsageError(`container ${container.handle} has ${processes.length} processes: name one`, advice);
  return found;
}
