import { execFile } from 'node:child_process';

/** How a run of a program ended, and what it printed. */
export interface ProgramResult {
  readonly exitCode: number;
  readonly output: string;
}

/** Runs promtool. @throws Error - it is not installed */
export async function promtool(args: readonly string[]): Promise<ProgramResult> {
  return await new Promise((resolve, reject) => {
    execFile('promtool', args, { maxBuffer: 64 << 20 }, (error, stdout, stderr) => {
      if (error !== null && typeof error.code !== 'number') reject(missing('promtool', error));
      else resolve({ exitCode: Number(error?.code ?? 0), output: stdout + stderr });
    });
  });
}

/** Returns the error of a program that did not start. */
export function missing(program: string, cause: Error): Error {
  return new Error(`${program} does not start: install Debian's package prometheus, or put the program into PATH`, {
    cause,
  });
}
