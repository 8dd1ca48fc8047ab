import { adviceFor } from './advice.ts';
import type { CliContext } from './cli-context.ts';
import { CliError } from './cli-error.ts';
import { ExitCode } from './exit-code.ts';
import { printableLines } from './printable.ts';

/** What the command line uses of an error of the library. It does not load the library for that. */
interface LibraryError extends Error {
  readonly code: `KW_ERR_${string}`;
  readonly retryable: boolean;
}

/** Errors that a wrong configuration of the program or of the database causes. */
const configurationCodes: readonly string[] = [
  'KW_ERR_SCHEMA_TOO_NEW',
  'KW_ERR_MIGRATION_CHANGED',
  'KW_ERR_WORKER_NOT_FOUND',
];

/** Errors without which the command might have begun its work. */
const unavailableCodes: readonly string[] = [
  'KW_ERR_API_UNAVAILABLE',
  'KW_ERR_CREDENTIALS_UNAVAILABLE',
  'KW_ERR_REPOSITORY_UNAVAILABLE',
  'KW_ERR_STORE_UNAVAILABLE',
];

/** Returns the exit code of a command that ended with this error. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof CliError) return error.exitCode;
  // Not by its class: its module is not loaded for a command without configuration.
  if (error instanceof Error && error.name === 'ConfigError') return ExitCode.Configuration;
  if (!isLibraryError(error)) return ExitCode.Internal;
  if (error.code === 'KW_ERR_INVALID_SPEC') return ExitCode.Usage;
  if (configurationCodes.includes(error.code)) return ExitCode.Configuration;
  if (unavailableCodes.includes(error.code)) return ExitCode.Unavailable;
  return error.retryable ? ExitCode.Temporary : ExitCode.Failure;
}

/** Writes what happened and what to do to stderr, and returns the exit code. */
export function reportError(error: unknown, { stderr }: CliContext): number {
  if (!(error instanceof CliError && error.isSilent)) stderr.write(printableLines(describeError(error)));
  return exitCodeOf(error);
}

function describeError(error: unknown): string {
  if (isLibraryError(error)) {
    const advice = adviceFor(error.code) ?? `see: kubernetes-worker explain error ${error.code}`;
    return `error: ${error.code}: ${error.message}\n${advice}\n`;
  }
  if (!(error instanceof Error)) return `internal error: ${String(error)}\n`;
  if (error instanceof CliError)
    return `error: ${error.message}\n${error.advice === undefined ? '' : `${error.advice}\n`}`;
  if (error.name === 'ConfigError') return `${error.message}\n`;
  return `internal error: ${error.stack ?? error.message}\n`;
}

function isLibraryError(error: unknown): error is LibraryError {
  return (
    error instanceof Error && 'code' in error && typeof error.code === 'string' && error.code.startsWith('KW_ERR_')
  );
}
