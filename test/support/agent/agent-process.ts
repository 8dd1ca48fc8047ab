/**
 * Runs the agent's binary for a test: `serve` in its own folder, and connections through `connect`.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

import { patienceMs } from '../patience.ts';
import { AgentConnection } from './agent-connection.ts';

export interface AgentOptions {
  /** The state directory. @defaultValue a new temporary folder */
  readonly folder?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** The agent to run. @defaultValue this checkout's */
  readonly binary?: string;
  /** A program that runs the agent, and its arguments before the agent's: `su`, `unshare`. */
  readonly wrapper?: readonly string[];
  /** A program that runs `agent connect`. */
  readonly connectWrapper?: readonly string[];
}

export function agentBinary(): string {
  return process.env['KW_AGENT'] ?? join(import.meta.dirname, '../../../agent/bin', `linux-${process.arch}`, 'agent');
}

export class AgentProcess {
  readonly folder: string;
  readonly #ownsFolder: boolean;
  readonly #options: AgentOptions;
  #serve: ChildProcessByStdio<null, null, Readable>;
  readonly #connections = new Set<AgentConnection>();
  readonly #connects = new Set<ChildProcessByStdio<Writable, Readable, Readable>>();
  stderr = '';

  private constructor(folder: string, ownsFolder: boolean, options: AgentOptions) {
    this.folder = folder;
    this.#ownsFolder = ownsFolder;
    this.#options = options;
    this.#serve = this.#spawn();
  }

  /** Starts `agent serve` without waiting for it: `connect` waits. */
  static async start(options: AgentOptions = {}): Promise<AgentProcess> {
    const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'kw-agent-')));
    return new AgentProcess(folder, options.folder === undefined, options);
  }

  #spawn(): ChildProcessByStdio<null, null, Readable> {
    const [program, ...before] = [...(this.#options.wrapper ?? []), this.#options.binary ?? agentBinary()];
    if (program === undefined) throw new Error('the wrapper is empty');
    const child = spawn(program, [...before, 'serve', this.folder], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: this.#options.env ?? process.env,
      cwd: '/',
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
      process.stderr.write(text);
    });
    return child;
  }

  get pid(): number {
    if (this.#serve.pid === undefined) throw new Error('the agent was not started');
    return this.#serve.pid;
  }

  /** Returns the processes that `serve` has forked: a session per connection, and supervisors. */
  async children(): Promise<readonly number[]> {
    const pids = await readFile(`/proc/${this.pid}/task/${this.pid}/children`, 'utf8');
    return pids.split(' ').filter(Boolean).map(Number);
  }

  /**
   * Resolves with a connection after both HELLO.
   *
   * @param protocol - the protocol versions of the host; by default all
   */
  async connect(protocol?: readonly [number, number]): Promise<AgentConnection> {
    const connection = await this.connectRaw();
    connection.hello(protocol);
    await connection.agentHello;
    return connection;
  }

  /** Resolves with a connection on which the host has sent nothing. */
  async connectRaw(): Promise<AgentConnection> {
    const [program, ...before] = [...(this.#options.connectWrapper ?? []), agentBinary()];
    if (program === undefined) throw new Error('the wrapper is empty');
    const child = spawn(program, [...before, 'connect', this.folder], { stdio: ['pipe', 'pipe', 'pipe'] });
    child.stderr.on('data', (bytes: Buffer) => process.stderr.write(bytes));
    const connection = new AgentConnection(child.stdout, child.stdin, () => {
      child.kill('SIGKILL');
    });
    this.#connections.add(connection);
    this.#connects.add(child);
    child.once('exit', () => {
      this.#connections.delete(connection);
      this.#connects.delete(child);
    });
    return connection;
  }

  /** Ends `serve` as the kubelet does, and returns its exit status. */
  async terminate(): Promise<number | null> {
    if (this.#serve.exitCode !== null || this.#serve.signalCode !== null) return this.#serve.exitCode;
    const exit = once(this.#serve, 'exit');
    this.#serve.kill('SIGTERM');
    await exit;
    return this.#serve.exitCode;
  }

  /** Kills `serve` as the kernel does, and starts it again in the same folder. */
  async killAndRestart(): Promise<void> {
    const exit = once(this.#serve, 'exit');
    this.#serve.kill('SIGKILL');
    await exit;
    this.#serve = this.#spawn();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const connection of this.#connections) connection.destroy();
    for (const child of this.#connects)
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    await this.terminate();
    if (this.#ownsFolder) await rm(this.folder, { recursive: true, force: true });
  }
}

/**
 * Waits until `check` returns a value other than `false` and `undefined`, and returns that value.
 */
export async function until<T>(
  what: string,
  check: () => T | Promise<T>,
  timeoutMs = patienceMs,
): Promise<Exclude<T, false | undefined>> {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const value = await check();
    if (value !== false && value !== undefined) return value as Exclude<T, false | undefined>;
    if (Date.now() > end) throw new Error(`timed out: ${what}`);
    await sleep(5);
  }
}

export async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
