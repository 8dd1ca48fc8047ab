import { constants } from 'node:os';

import { ExitCode } from './exit-code.ts';

/** An error of a command that is not one of the library, with the exit code of the process. */
export class CliError extends Error {
  readonly exitCode: number;
  /** What the user can do. */
  readonly advice: string | undefined;
  /** Whether the exit code is all that the user has to see. */
  readonly isSilent: boolean = false;

  constructor(
    message: string,
    exitCode: number,
    options: ErrorOptions & { readonly advice?: string | undefined } = {},
  ) {
    super(message, options);
    this.name = 'CliError';
    this.exitCode = exitCode;
    this.advice = options.advice;
  }
}

/** Wrong arguments that the parser does not recognise as wrong. */
export class UsageError extends CliError {
  constructor(message: string, advice?: string) {
    super(message, ExitCode.Usage, { advice });
    this.name = 'UsageError';
  }
}

/** The reason of the signal of a command that SIGINT, SIGTERM or SIGHUP has interrupted. */
export class InterruptedError extends CliError {
  override readonly isSilent = true;

  constructor(signal: NodeJS.Signals) {
    super(`interrupted by ${signal}`, 128 + constants.signals[signal]);
    this.name = 'InterruptedError';
  }
}

/** The reason with which a command's signal aborts when the reader of its stdout has closed it. */
export class StdoutClosedError extends CliError {
  override readonly isSilent = true;

  constructor() {
    super('stdout is closed', ExitCode.Ok);
    this.name = 'StdoutClosedError';
  }
}
