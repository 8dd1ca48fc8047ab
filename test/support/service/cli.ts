import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { dirname } from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';

import { type IPty, spawn as spawnInTerminal } from '@lydell/node-pty';

const source = fileURLToPath(new URL('../../../src/service/main.ts', import.meta.url));

/** A program to run, with its first arguments. */
export type CliProgram = readonly [file: string, ...args: readonly string[]];

/** The program under test, unless a run has another one: that of `KW_BIN`, or this repository's sources. */
const defaultProgram: CliProgram = [process.execPath, process.env['KW_BIN'] ?? source];

/** Options of a run of the command line as a child process. */
export interface CliRunOptions {
  /** Variables beside `PATH` and `HOME`. The child inherits no other variable of this process. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** What stdin contains before it ends. @defaultValue nothing */
  readonly stdin?: string | Uint8Array | undefined;
  readonly cwd?: string | undefined;
  /** @defaultValue `defaultProgram` */
  readonly program?: CliProgram | undefined;
  /** Where stdout goes, as of `spawn`. @defaultValue to this process */
  readonly stdout?: 'pipe' | number | undefined;
}

/** How a run of the command line ended, and what it printed. */
export interface CliResult {
  /** `undefined` if a signal killed the process. */
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command line to its end. */
export async function runCli(args: readonly string[], options: CliRunOptions = {}): Promise<CliResult> {
  const { stdin, ...rest } = options;
  const running = startCli(args, rest);
  running.child.stdin?.on('error', () => {});
  running.child.stdin?.end(stdin);
  return await running.ended;
}

/** A run of the command line that has not ended. */
export class RunningCli {
  readonly child: ChildProcess;
  /** Resolves when the process has ended and all its output is here. */
  readonly ended: Promise<CliResult>;
  readonly #stdout: Output;
  readonly #stderr: Output;

  constructor(child: ChildProcess) {
    this.child = child;
    this.#stdout = new Output(child.stdout);
    this.#stderr = new Output(child.stderr);
    this.ended = this.#end();
  }

  /** What the process has printed to stdout until now. */
  get stdout(): string {
    return this.#stdout.text;
  }

  /** Resolves when stdout or stderr contains the text. Rejects if the process ends before. */
  async waitFor(text: string): Promise<void> {
    await waitUntil(
      () => this.#stdout.text.includes(text) || this.#stderr.text.includes(text),
      [this.#stdout, this.#stderr],
      this.ended.then(({ exitCode, stdout, stderr }) => `${exitCode}: ${stdout}${stderr}`),
      text,
    );
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  async #end(): Promise<CliResult> {
    await once(this.child, 'close');
    return {
      exitCode: this.child.exitCode ?? undefined,
      stdout: this.#stdout.text,
      stderr: this.#stderr.text,
    };
  }
}

/** Starts the command line. Its stdin is a pipe that stays open. */
export function startCli(args: readonly string[], options: Omit<CliRunOptions, 'stdin'> = {}): RunningCli {
  const { env, cwd, program: [file, ...first] = defaultProgram, stdout = 'pipe' } = options;
  const stdio: StdioOptions = ['pipe', stdout, 'pipe'];
  return new RunningCli(spawn(file, [...first, ...args], { env: environment(env), cwd, stdio }));
}

/** A run of the command line in a pseudo-terminal. */
export class TerminalCli {
  readonly pty: IPty;
  /** Resolves with the exit code and everything that the terminal has received. */
  readonly ended: Promise<{ readonly exitCode: number; readonly output: string }>;
  #output = '';
  readonly #listeners = new Set<() => void>();

  constructor(pty: IPty) {
    this.pty = pty;
    pty.onData((data) => {
      this.#output += data;
      for (const listener of this.#listeners) listener();
    });
    this.ended = new Promise((resolve) => {
      pty.onExit(({ exitCode }) => resolve({ exitCode, output: this.#output }));
    });
  }

  /** What the terminal has received until now. */
  get output(): string {
    return this.#output;
  }

  /** Types text; `\x03` is Ctrl-C. */
  write(text: string): void {
    this.pty.write(text);
  }

  resize(columns: number, rows: number): void {
    this.pty.resize(columns, rows);
  }

  /** Resolves when the terminal has received the text. Rejects if the process ends before. */
  async waitFor(text: string): Promise<void> {
    await waitUntil(
      () => this.#output.includes(text),
      [{ listeners: this.#listeners }],
      this.ended.then(({ exitCode, output }) => `${exitCode}: ${output}`),
      text,
    );
  }
}

/** Starts the command line in a pseudo-terminal of 80 columns and 24 rows. */
export function startCliInTerminal(
  args: readonly string[],
  { env, cwd, program: [file, ...first] = defaultProgram }: Omit<CliRunOptions, 'stdin' | 'stdout'> = {},
): TerminalCli {
  const options = { cols: 80, rows: 24, cwd: cwd ?? process.cwd(), env: environment({ TERM: 'xterm', ...env }) };
  return new TerminalCli(spawnInTerminal(file, [...first, ...args], options));
}

function environment(env: Readonly<Record<string, string>> = {}): Record<string, string> {
  // The first line of an installed program finds the Node of this process.
  const path = `${dirname(process.execPath)}:${process.env['PATH'] ?? '/usr/bin:/bin'}`;
  return { PATH: path, HOME: process.env['HOME'] ?? '/', ...env };
}

/** The text of a stream until now. */
class Output {
  text = '';
  readonly listeners = new Set<() => void>();

  constructor(stream: Readable | null) {
    stream?.setEncoding('utf8').on('data', (chunk: string) => {
      this.text += chunk;
      for (const listener of this.listeners) listener();
    });
  }
}

async function waitUntil(
  isThere: () => boolean,
  sources: readonly { readonly listeners: Set<() => void> }[],
  ended: Promise<string>,
  text: string,
): Promise<void> {
  if (isThere()) return;
  const arrived = Promise.withResolvers<void>();
  const look = (): void => {
    if (isThere()) arrived.resolve();
  };
  for (const { listeners } of sources) listeners.add(look);
  const early = ended.then((end) => {
    if (!isThere()) throw new Error(`the command ended without ${JSON.stringify(text)}, ${end}`);
  });
  await Promise.race([arrived.promise, early]).finally(() => {
    for (const { listeners } of sources) listeners.delete(look);
  });
}
