/** The agent stays reachable while a file system flushes or closes an archive file for long. */
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';

import { expect } from 'chai';

import { AgentClient, type AgentClientOptions } from '../../../src/agent-client/agent-client.ts';
import { TransferStalledError } from '../../../src/errors/transfer.ts';
import { type AgentConnection, failureOf, type Json } from '../../support/agent/agent-connection.ts';
import { encodeData, encodeEnd, encodeFrame, frameType } from '../../support/agent/agent-frames.ts';
import { AgentProcess, agentBinary, exists, until } from '../../support/agent/agent-process.ts';
import { AgentSyscalls } from '../../support/agent/agent-syscalls.ts';
import { PipeConnection } from '../../support/pipe-connection.ts';
import { rejection } from '../../support/rejection.ts';
import { silentLogger } from '../../support/silent-logger.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const bytes = Buffer.from('content of an archive');
const key = 'a/00/flushed';
const open = { op: 'archive-write', id: 'write', key, leaseMs: 60_000 };

describe('the flush of an archive file', () => {
  let syscalls: AgentSyscalls;

  before(async function () {
    const built = await AgentSyscalls.build();
    if (typeof built === 'string') {
      console.log(`      skipped: ${built}`);
      return this.skip();
    }
    syscalls = built;
  });

  after(async () => {
    await syscalls?.[Symbol.asyncDispose]();
  });

  /** An agent whose call on the file waits for `release`. */
  class Held implements AsyncDisposable {
    readonly agent: AgentProcess;
    readonly #file: string;

    private constructor(agent: AgentProcess, file: string) {
      this.agent = agent;
      this.#file = file;
    }

    static async start(call: 'fsync' | 'close' = 'fsync'): Promise<Held> {
      const file = syscalls.file();
      return new Held(await AgentProcess.start({ wrapper: syscalls.holding(call, 'flushed', file) }), file);
    }

    /** Sends all bytes and END, and waits for the call. */
    async write(): Promise<AgentConnection> {
      const connection = await this.agent.connect();
      connection.open(open);
      await connection.opened();
      await connection.expect(frameType.window);
      connection.write(encodeData(0, 0, bytes));
      connection.write(encodeEnd(0, bytes.length, createHash('sha256').update(bytes).digest()));
      await this.begun();
      return connection;
    }

    async begun(): Promise<void> {
      await until('the call has begun', async () => await exists(`${this.#file}.held`));
    }

    async release(): Promise<void> {
      await writeFile(this.#file, '');
    }

    async content(): Promise<string | undefined> {
      return await readFile(join(this.agent.folder, 'archives', key), 'utf8').catch(() => undefined);
    }

    async [Symbol.asyncDispose](): Promise<void> {
      await this.release();
      await this.agent[Symbol.asyncDispose]();
    }
  }

  async function ping(connection: AgentConnection, text: string): Promise<void> {
    connection.write(encodeFrame(frameType.ping, Buffer.from(text)));
    expect((await connection.expect(frameType.pong)).payload.toString()).to.equal(text);
  }

  async function result(connection: AgentConnection): Promise<Json> {
    const outcome = await connection.expectJson(frameType.result);
    connection.done();
    return outcome;
  }

  for (const call of ['fsync', 'close'] as const)
    it(`answers pings, and claims no progress, while ${call} waits`, async () => {
      await using held = await Held.start(call);
      const connection = await held.write();
      await ping(connection, 'at work!');
      // Longer than PROGRESS of a phase would take.
      expect(await connection.silent(1_200)).to.equal(true);
      await ping(connection, 'as ever!');
      await held.release();
      expect(await result(connection)).to.include({ bytes: bytes.length });
      expect(await held.content()).to.equal(bytes.toString());
    });

  it('continues over another connection', async () => {
    await using held = await Held.start();
    (await held.write()).destroy();
    const connection = await held.agent.connect();
    connection.open({ ...open, attempt: 2, resume: true });
    expect(await connection.opened()).to.deep.equal({ from: bytes.length, ended: true });
    await ping(connection, 'resumed!');
    await held.release();
    expect(await result(connection)).to.include({ bytes: bytes.length });
    expect(await held.content()).to.equal(bytes.toString());
  });

  it('takes CANCEL, and removes the file when it has ended', async () => {
    await using held = await Held.start();
    const connection = await held.write();
    connection.write(encodeFrame(frameType.cancel));
    await ping(connection, 'waiting!');
    // A check of the agent's passes.
    await ping(connection, 'and now!');
    expect(await held.content()).to.equal(bytes.toString());
    await held.release();
    expect(await failureOf(connection.expect(frameType.result))).to.have.property('code', 'CANCELLED');
    expect(await held.content()).to.equal(undefined);
    connection.done();
  });

  it('removes the file when it has ended if the operation was removed meanwhile', async () => {
    await using held = await Held.start();
    const writing = await held.write();
    const connection = await held.agent.connect();
    connection.open({ op: 'remove', operation: open.id });
    await connection.expect(frameType.progress);
    await held.release();
    while ((await connection.next())?.type !== frameType.result);
    connection.done();
    await writing.ended;
    expect(await held.content()).to.equal(undefined);
  });

  describe('through the client', () => {
    let clock: VirtualClock;
    let connections: PipeConnection[];

    function clientOf({ folder }: AgentProcess, options: AgentClientOptions = {}): AgentClient {
      [clock, connections] = [new VirtualClock(), []];
      const connect = async (): Promise<PipeConnection> => {
        const connection = new PipeConnection(agentBinary(), folder);
        connections.push(connection);
        return connection;
      };
      return new AgentClient({ connect, clock, logger: silentLogger, podName: 'pod', handle: 'store', options });
    }

    /** Passes this time, in which the agent answers each ping. */
    async function pass(seconds: number): Promise<void> {
      for (let left = seconds; left > 0; left -= 12) {
        const received = connections[0]!.receivedBytes;
        await clock.advance(12_000);
        await until('the agent has answered', () => connections[0]!.receivedBytes > received);
      }
    }

    it('may take longer than a connection may be silent', async () => {
      await using held = await Held.start();
      const client = clientOf(held.agent);
      const writing = client.archives.write(key, Readable.from([bytes]));
      await held.begun();
      await pass(96);
      await held.release();
      expect(await writing).to.include({ bytes: bytes.length });
      expect(connections).to.have.length(1);
      client.close();
    });

    it('fails once it has taken longer than a transfer may go without progress', async () => {
      await using held = await Held.start();
      const client = clientOf(held.agent, { stallMs: 30_000 });
      const writing = rejection(client.archives.write(key, Readable.from([bytes])));
      await held.begun();
      let hasFailed = false;
      void writing.then(() => (hasFailed = true));
      await until('it has failed', async () => {
        await clock.advance(1_000);
        return hasFailed;
      });
      expect(await writing).to.be.instanceOf(TransferStalledError);
      client.close();
    });
  });
});
