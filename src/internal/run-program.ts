import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { addAbortListener } from 'node:events';
import { Socket } from 'node:net';

/** A program to run without input and without a terminal. */
export interface ProgramSpec {
  readonly command: string;
  readonly args: readonly string[];
  readonly environment: NodeJS.ProcessEnv;
  /** A program with more output is killed. */
  readonly maxOutputBytes: number;
}

/**
 * The end of a program. `error`: it was not started. Otherwise exactly one of `status`, `killedBy`
 * and `ended` is set.
 */
export interface ProgramEnd {
  readonly stdout: string;
  /** The end of the error output. */
  readonly stderr: string;
  readonly error?: NodeJS.ErrnoException;
  readonly status?: number;
  readonly killedBy?: NodeJS.Signals;
  /** The reason why this library killed the program. */
  readonly ended?: 'aborted' | 'output-too-long';
}

const maxStderrCharacters = 2_000;

/**
 * Runs a program in its own process group. Resolves when the program has ended and its output is
 * closed, or when the signal aborts: then the whole group is killed and all pipes are closed. Never
 * rejects. A running program does not keep this process alive.
 */
export async function runProgram(spec: ProgramSpec, signal: AbortSignal): Promise<ProgramEnd> {
  let child: ChildProcess;
  try {
    child = spawn(spec.command, spec.args, spawnOptions(spec));
  } catch (error) {
    // Node throws some errors of the system call and emits the others.
    return { stdout: '', stderr: '', error: error instanceof Error ? error : new Error(String(error)) };
  }
  const { promise, resolve } = Promise.withResolvers<ProgramEnd>();
  const stdout: Buffer[] = [];
  let stdoutBytes = 0;
  let stderr = '';
  const finish = (how: Omit<ProgramEnd, 'stdout' | 'stderr'>): void =>
    resolve({ stdout: Buffer.concat(stdout).toString('utf8'), stderr, ...how });
  const stop = (ended: 'aborted' | 'output-too-long'): void => {
    finish({ ended });
    killGroup(child);
  };
  child.stdout?.on('data', (chunk: Buffer) => {
    stdout.push(chunk);
    stdoutBytes += chunk.byteLength;
    if (stdoutBytes > spec.maxOutputBytes) stop('output-too-long');
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-maxStderrCharacters);
  });
  child.on('error', (error) => finish({ error }));
  child.on('close', (status, killedBy) => finish(killedBy === null ? { status: status ?? 0 } : { killedBy }));
  unref(child);
  using _listener = addAbortListener(signal, () => stop('aborted'));
  return await promise;
}

function spawnOptions({ environment }: ProgramSpec): SpawnOptions {
  return { env: environment, stdio: ['ignore', 'pipe', 'pipe'], detached: true, windowsHide: true };
}

/**
 * Kills the program and its children. Closes the pipes, which a child outside the group may hold
 * open.
 */
function killGroup(child: ChildProcess): void {
  child.stdout?.destroy();
  child.stderr?.destroy();
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // The program has just ended.
  }
}

function unref(child: ChildProcess): void {
  child.unref();
  for (const pipe of [child.stdout, child.stderr]) if (pipe instanceof Socket) pipe.unref();
}
