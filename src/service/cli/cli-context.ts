import type { Readable, Writable } from 'node:stream';

import type { Command } from 'commander';

/** A standard stream of the process for input; a terminal has `setRawMode`. */
export interface CliInput extends Readable {
  readonly isTTY?: boolean;
  setRawMode?(mode: boolean): unknown;
}

/** A standard stream of the process for output. A terminal has a size, and emits `resize`. */
export interface CliOutput extends Writable {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
}

/** What a command receives from its process. */
export interface CliContext {
  readonly stdin: CliInput;
  /** Receives results only. */
  readonly stdout: CliOutput;
  /** Receives progress, logs and errors. */
  readonly stderr: CliOutput;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborts at the first SIGINT, SIGTERM or SIGHUP. */
  readonly signal: AbortSignal;
}

/** Sets the exit code of the command that runs. */
export type SetExitCode = (code: number) => void;

/**
 * Defines one command. It imports nothing but types of the library: the action loads what it needs, so
 * that `--help` loads neither the library nor an SDK.
 */
export type DefineCommand = (context: CliContext, setExitCode: SetExitCode) => Command;
