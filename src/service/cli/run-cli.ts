import { CommanderError } from 'commander';

import type { CliContext } from './cli-context.ts';
import { ExitCode } from './exit-code.ts';
import { createProgram } from './program.ts';

/** Runs one command line, and returns the exit code of the process. */
export async function runCli(args: readonly string[], context: CliContext): Promise<number> {
  let exitCode: number = ExitCode.Ok;
  const program = createProgram(context, (code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (error) {
    // Commander has printed its own errors, the help and the version.
    if (error instanceof CommanderError) return error.exitCode === 0 ? ExitCode.Ok : ExitCode.Usage;
    context.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return ExitCode.Internal;
  }
}
