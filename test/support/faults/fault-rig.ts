/** An agent with injected faults on its own state directory, and a host whose waits are bounded. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { AgentConnection } from '../agent/agent-connection.ts';
import { agentBinary } from '../agent/agent-process.ts';
import type { DynamicAgent } from './dynamic-agent.ts';
import { FaultControl } from './fault-control.ts';

/** In memory if possible: a run creates and removes hundreds of folders. */
function baseFolder(): string {
  try {
    accessSync('/dev/shm', constants.W_OK);
    return '/dev/shm';
  } catch {
    return tmpdir();
  }
}

/** Longer than a process that has been killed takes to end, however busy the machine is, in milliseconds. */
const endsMs = 30_000;

/** The agent has ended or closed the connection: the host has no outcome of the operation. */
export class Lost extends Error {}

export class FaultRig implements AsyncDisposable {
  readonly folder: string;
  readonly state: string;
  readonly #built: DynamicAgent;
  #control: FaultControl;
  #serve: ChildProcess | undefined;
  readonly #connections = new Map<AgentConnection, ChildProcess>();
  readonly #deferred: (() => Promise<void>)[] = [];
  stderr = '';
  restarted = false;

  private constructor(folder: string, built: DynamicAgent) {
    this.folder = folder;
    this.state = join(folder, 'state');
    this.#built = built;
    this.#control = new FaultControl(join(folder, 'faults-0'));
  }

  static async create(built: DynamicAgent): Promise<FaultRig> {
    const folder = await mkdtemp(join(baseFolder(), 'kw-faults-'));
    await mkdir(join(folder, 'state'));
    return new FaultRig(folder, built);
  }

  get control(): FaultControl {
    return this.#control;
  }

  /** Starts `serve`; a fault of the start has to be armed before. */
  serve(): void {
    const { agent, faults } = this.#built;
    const env = { ...process.env, LD_PRELOAD: faults, KW_FAULTS: this.#control.path };
    this.#serve = spawn(agent, ['serve', this.state], { stdio: ['ignore', 'ignore', 'pipe'], env, cwd: '/' });
    this.#serve.stderr?.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    this.#serve.once('exit', () => {
      for (const connection of this.#connections.keys()) connection.destroy();
    });
  }

  get serving(): boolean {
    return this.#serve !== undefined && this.#serve.exitCode === null && this.#serve.signalCode === null;
  }

  /**
   * Returns whether `serve` ends: a connection may end before its exit is reported.
   */
  async ends(): Promise<boolean> {
    for (const end = performance.now() + endsMs; this.serving && performance.now() < end; ) await sleep(10);
    return !this.serving;
  }

  /** Opens a connection after both HELLOs; rejects with `Lost` if there is no agent. */
  async connect(): Promise<AgentConnection> {
    if (!this.serving) throw new Lost('serve has ended');
    const child = spawn(agentBinary(), ['connect', this.state], { stdio: ['pipe', 'pipe', 'ignore'] });
    const connection = new AgentConnection(child.stdout, child.stdin, () => child.kill('SIGKILL'));
    this.#connections.set(connection, child);
    child.once('exit', () => this.#connections.delete(connection));
    connection.hello();
    await connection.agentHello.catch((error: unknown) => {
      throw lostOr(error);
    });
    return connection;
  }

  /**
   * Ends everything at once, as the kernel ends a container, and starts `serve` again without
   * faults.
   */
  async restart(): Promise<void> {
    await this.kill();
    this.#control[Symbol.dispose]();
    this.#control = new FaultControl(`${this.#control.path}+`);
    this.restarted = true;
    this.serve();
  }

  async kill(): Promise<void> {
    for (const connection of this.#connections.keys()) connection.destroy();
    const serve = this.#serve;
    const ended = serve === undefined || !this.serving ? undefined : once(serve, 'exit');
    serve?.kill('SIGKILL');
    await ended;
    for (const pid of this.#control.pids) {
      for (let turn = 0; this.#isOurs(pid); turn++) {
        if (turn === 0) process.kill(pid, 'SIGKILL');
        if (turn === endsMs) throw new Error(`process ${pid} does not end`);
        await sleep(1);
      }
    }
    for (const child of this.#connections.values())
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }

  /**
   * Process ids are reused: the agent's command line names this rig's folder. An ended process has
   * no command line.
   */
  #isOurs(pid: number): boolean {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(this.folder);
    } catch {
      return false;
    }
  }

  /** Registers a resource to close at the end. */
  defer(close: () => Promise<void>): void {
    this.#deferred.push(close);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    for (const close of this.#deferred) await close();
    this.#control[Symbol.dispose]();
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Maps the end of a connection to `Lost`; keeps any other error. */
export function lostOr(error: unknown): unknown {
  return error instanceof Error && error.message === 'the connection ended' ? new Lost(error.message) : error;
}
