/** An agent that the hooks of a suite start and end. */
import { expect } from 'chai';

import type { AgentConnection } from './agent-connection.ts';
import { type AgentOptions, AgentProcess } from './agent-process.ts';

export interface FixtureOptions {
  /** When the agent starts. @defaultValue `'suite'` */
  readonly per?: 'suite' | 'test';
  /** The options of the agent, read in the hook that starts it. */
  readonly options?: () => AgentOptions;
  /** Whether each test gets a connection. @defaultValue true */
  readonly connects?: boolean;
  /** Whether the agent may write to stderr. @defaultValue false */
  readonly mayReport?: boolean;
}

export class AgentFixture {
  #agent: AgentProcess | undefined;
  #connection: AgentConnection | undefined;

  /** Starts the agent; one that runs ends first. */
  async start(options: AgentOptions = {}): Promise<void> {
    await this.stop();
    this.#agent = await AgentProcess.start(options);
  }

  /** Ends the agent. Resolves with its stderr. */
  async stop(): Promise<string> {
    const agent = this.#agent;
    this.disconnect();
    await agent?.[Symbol.asyncDispose]();
    this.#agent = undefined;
    return agent?.stderr ?? '';
  }

  /** Opens the connection of a test. */
  async openConnection(): Promise<void> {
    this.#connection = await this.process.connect();
  }

  disconnect(): void {
    this.#connection?.destroy();
    this.#connection = undefined;
  }

  get process(): AgentProcess {
    if (this.#agent === undefined) throw new Error('the agent is not running');
    return this.#agent;
  }

  /** A connection that each test gets for itself. */
  get connection(): AgentConnection {
    if (this.#connection === undefined) throw new Error('no test is running');
    return this.#connection;
  }

  get folder(): string {
    return this.process.folder;
  }

  get pid(): number {
    return this.process.pid;
  }

  get stderr(): string {
    return this.process.stderr;
  }

  connect(protocol?: readonly [number, number]): Promise<AgentConnection> {
    return this.process.connect(protocol);
  }

  connectRaw(): Promise<AgentConnection> {
    return this.process.connectRaw();
  }

  children(): Promise<readonly number[]> {
    return this.process.children();
  }

  terminate(): Promise<number | null> {
    return this.process.terminate();
  }

  killAndRestart(): Promise<void> {
    return this.process.killAndRestart();
  }
}

/**
 * Registers hooks that start an agent, give each test a connection, end both, and check that the
 * agent has written nothing to stderr.
 */
export function withAgent(settings: FixtureOptions = {}): AgentFixture {
  const { per = 'suite', options, connects = true, mayReport = false } = settings;
  const fixture = new AgentFixture();
  const start = (): Promise<void> => fixture.start(options?.());
  const stop = async (): Promise<void> => {
    const stderr = await fixture.stop();
    if (!mayReport) expect(stderr).to.equal('');
  };
  if (per === 'suite') {
    before(start);
    after(stop);
  } else beforeEach(start);
  if (connects) beforeEach(() => fixture.openConnection());
  if (per === 'suite') {
    afterEach(() => {
      fixture.disconnect();
    });
  } else afterEach(stop);
  return fixture;
}
