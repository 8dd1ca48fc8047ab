import type { CliContext, CliOutput } from './cli-context.ts';
import { CliError, StdoutClosedError } from './cli-error.ts';
import { ExitCode } from './exit-code.ts';
import { jsonText, printable } from './printable.ts';

/**
 * Writes text, and resolves when it has left the process.
 *
 * @throws StdoutClosedError if the reader is gone
 * @throws CliError if the text cannot be written, for example to a full disk
 */
export async function print(output: CliOutput, text: string | Uint8Array): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    output.write(text, (error) => (error === null || error === undefined ? resolve() : reject(writeError(error))));
  });
}

/** Writes a warning to stderr, on one line. */
export function warn(stderr: CliOutput, text: string): void {
  stderr.write(`${printable(`warning: ${text}`)}\n`);
}

/** Returns what a failure of a standard stream means for the command. */
export function writeError(error: Error): CliError {
  const code = 'code' in error ? error.code : undefined;
  if (code === 'EPIPE' || code === 'ERR_STREAM_DESTROYED') return new StdoutClosedError();
  return new CliError(`cannot write the output: ${error.message}`, ExitCode.Failure, { cause: error });
}

/** Writes the result of a command with `--json`: one document. */
export async function printJson({ stdout }: CliContext, value: unknown): Promise<void> {
  await print(stdout, `${jsonText(value, 2)}\n`);
}

/** Writes an item of a result that has no end with `--json`: one document on one line. */
export async function printJsonLine({ stdout }: CliContext, value: unknown): Promise<void> {
  await print(stdout, `${jsonText(value)}\n`);
}

/**
 * Returns a table with aligned columns. Control characters in cells are escaped, and an empty cell is a
 * hyphen, so that programs can divide each line at its spaces.
 */
export function tableOf(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [header, ...rows.map((row) => row.map(cellOf))];
  const widths = header.map((_, column) => Math.max(...lines.map((line) => widthOf(line[column] ?? ''))));
  return lines.map((line) => `${lineOf(line, widths)}\n`).join('');
}

/** Returns facts on one line each, with aligned values. Those without a value are left out. */
export function fieldsOf(facts: readonly (readonly [name: string, value: string | undefined])[]): string {
  const present = facts.filter((fact): fact is readonly [string, string] => fact[1] !== undefined);
  const width = Math.max(...present.map(([name]) => name.length)) + 2;
  return present.map(([name, value]) => `${`${name}:`.padEnd(width)}${printable(value)}\n`).join('');
}

function lineOf(cells: readonly string[], widths: readonly number[]): string {
  return cells
    .map((cell, column) => cell + ' '.repeat((widths[column] ?? 0) - widthOf(cell)))
    .join('  ')
    .trimEnd();
}

function cellOf(text: string): string {
  return text === '' ? '-' : printable(text);
}

function widthOf(text: string): number {
  return Array.from(text).length;
}
