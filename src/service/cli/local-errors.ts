import { CliError } from './cli-error.ts';
import { ExitCode } from './exit-code.ts';

const adviceByCode: Readonly<Record<string, string>> = {
  ENOSPC: 'free some space, or choose a target on another disk; the target is as it was',
  EDQUOT: 'free some space, or choose a target on another disk; the target is as it was',
  EACCES: 'run the command as a user who has the permission',
};

/** Runs work. Converts errors of this machine's file system, which are no faults of the program. */
export async function withLocalErrors<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw localError(error) ?? error;
  }
}

function localError(error: unknown): CliError | undefined {
  if (!(error instanceof Error && 'syscall' in error && 'code' in error)) return undefined;
  const advice = adviceByCode[String(error.code)];
  return new CliError(error.message, ExitCode.Failure, { cause: error, advice });
}
