import { CommanderError } from 'commander';

import type { CliContext } from './cli-context.ts';
import { ExitCode } from './exit-code.ts';
import { print, writeError } from './output.ts';
import { createProgram } from './program.ts';
import { reportError } from './report-error.ts';

/** Runs one command line, and returns the exit code of the process. */
export async function runCli(args: readonly string[], process: CliContext): Promise<number> {
  const closed = new AbortController();
  // Without a listener, the end of a pipe's reader ends the process with a stack trace.
  process.stdout.on('error', (error) => closed.abort(writeError(error)));
  process.stderr.on('error', () => {});
  const context = { ...process, signal: AbortSignal.any([process.signal, closed.signal]) };
  let exitCode: number = ExitCode.Ok;
  const program = createProgram(context, (code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (error) {
    // Commander has printed its own errors, the help and the version.
    if (error instanceof CommanderError && error.exitCode !== 0) return ExitCode.Usage;
    if (error instanceof CommanderError) {
      // It has not waited for them. The listener above has the error, if there is one.
      await print(process.stdout, '').catch(() => {});
      return closed.signal.aborted ? reportError(closed.signal.reason, context) : ExitCode.Ok;
    }
    // What fails after an interruption is its consequence.
    return reportError(context.signal.aborted ? context.signal.reason : error, context);
  }
}
