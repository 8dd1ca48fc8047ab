/**
 * The fence of docs/agent-protocol.md: operations of an older host end, and later ones are
 * rejected.
 */
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { expect } from 'chai';

import { type AgentConnection, Feeder, failureOf, type Json } from '../../support/agent/agent-connection.ts';
import { withAgent } from '../../support/agent/agent-fixture.ts';
import { decodeWindow, encodeData, encodeEnd, encodeFrame, frameType } from '../../support/agent/agent-frames.ts';
import { AgentProcess, exists, until } from '../../support/agent/agent-process.ts';
import { agentSessions } from '../../support/agent/agent-sessions.ts';
import { AgentSyscalls } from '../../support/agent/agent-syscalls.ts';
import { tarOf } from '../../support/tar.ts';

const leaseMs = 60_000;

describe('the fence of the agent', () => {
  const agent = withAgent({ per: 'test', connects: false });
  let archive: Buffer;
  let digest: Buffer;

  before(async () => {
    archive = await tarOf({ big: randomBytes(3_000_000), small: 'small' });
    digest = createHash('sha256').update(archive).digest();
  });

  const dataOf = (volume: string): string => join(agent.folder, 'volumes', volume, 'data');
  const contentOf = async (volume: string): Promise<string[]> => readdir(dataOf(volume)).catch(() => []);
  const staged = async (volume: string): Promise<string[]> =>
    readdir(join(agent.folder, 'volumes', volume, 'staging')).catch(() => []);

  async function fence(generation: number, connection?: AgentConnection): Promise<Json> {
    const own = connection ?? (await agent.connect());
    const result = await own.call({ op: 'fence', generation });
    if (connection === undefined) await own.bye();
    return result;
  }

  /** Opens an upload, sends its first half, and waits until the agent has received it. */
  async function beginUpload(id: string, more: Json = {}): Promise<AgentConnection> {
    const connection = await agent.connect();
    connection.open({ op: 'receive', id, volume: id, path: '', attempt: 1, ...more });
    await connection.opened();
    await connection.expect(frameType.window);
    for (let at = 0; at < 1_500_000; at += 250_000) {
      connection.write(encodeData(0, at, archive.subarray(at, at + 250_000)));
    }
    await answersPing(connection);
    return connection;
  }

  async function answersPing(connection: AgentConnection): Promise<void> {
    connection.write(encodeFrame(frameType.ping, Buffer.alloc(8)));
    for (;;) {
      const frame = await connection.next();
      if (frame === undefined) throw new Error('the connection ended');
      if (frame.type === frameType.pong) return;
    }
  }

  function sendRest(connection: AgentConnection): void {
    for (let at = 1_500_000; at < archive.length; at += 250_000) {
      connection.write(encodeData(0, at, archive.subarray(at, at + 250_000)));
    }
    connection.write(encodeEnd(0, archive.length, digest));
  }

  /** Reads frames up to the ERROR that ends an operation. */
  async function errorOf(connection: AgentConnection): Promise<Json> {
    for (;;) {
      const frame = await connection.next();
      if (frame === undefined) throw new Error('the connection ended');
      if (frame.type === frameType.result) throw new Error('RESULT came');
      if (frame.type === frameType.error) return JSON.parse(frame.payload.toString()) as Json;
    }
  }

  /** An agent that waits in the middle of the moves, at the file `held`, until `file` exists. */
  async function heldAgent(context: Mocha.Context): Promise<{ held: AgentProcess; file: string } & AsyncDisposable> {
    const syscalls = await AgentSyscalls.build();
    const unfit = process.getuid?.() === 0 ? syscalls : 'only root may look into the agent';
    if (typeof unfit === 'string') {
      console.log(`      skipped: ${unfit}`);
      context.skip();
    }
    const file = unfit.file();
    const held = await AgentProcess.start({ wrapper: unfit.holding('renameat', 'held', file) });
    return {
      held,
      file,
      [Symbol.asyncDispose]: async () => {
        await held[Symbol.asyncDispose]();
        await unfit[Symbol.asyncDispose]();
      },
    };
  }

  async function resultOf(connection: AgentConnection): Promise<Json> {
    for (;;) {
      const frame = await connection.next();
      if (frame?.type === frameType.result) return JSON.parse(frame.payload.toString()) as Json;
      if (frame?.type !== frameType.window && frame?.type !== frameType.progress) {
        throw new Error(`frame ${frame?.type} came, no RESULT`);
      }
    }
  }

  it('replies with the generation, also when repeated, and rejects a lower one', async () => {
    expect(await fence(5)).to.deep.equal({ generation: 5 });
    expect(await fence(5)).to.deep.equal({ generation: 5 });
    expect((await failureOf(fence(4))).facts).to.include({ code: 'STALE_GENERATION', generation: 5 });
    expect(await fence(Number.MAX_SAFE_INTEGER)).to.deep.equal({ generation: Number.MAX_SAFE_INTEGER });
    for (const generation of [0, -1, 1.5, 2 ** 53, '7', undefined]) {
      const connection = await agent.connect();
      expect((await failureOf(connection.call({ op: 'fence', generation }))).code).to.equal('INVALID_SPEC');
      await connection.bye();
    }
  });

  it('rejects every kind of operation of an older generation, and accepts operations without one', async () => {
    await mkdir(dataOf('v'), { recursive: true });
    await writeFile(join(dataOf('v'), 'kept'), 'kept');
    await fence(5);
    const connection = await agent.connect();
    const operations: Json[] = [
      { op: 'receive', id: 'r', volume: 'v', path: '', attempt: 1, leaseMs },
      { op: 'receive', id: 'r', volume: 'v', path: '', attempt: 1 },
      { op: 'send', id: 's', volume: 'v', path: '', attempt: 1 },
      { op: 'copy', id: 'c', from: 'v', to: 'w' },
      { op: 'remove', volume: 'v' },
      { op: 'remove', operation: 'r' },
      { op: 'start', process: 'p', args: ['true'] },
      { op: 'attach', process: 'p' },
      { op: 'stop', process: 'p', graceMs: 0 },
      { op: 'signal', process: 'p', signal: 15 },
      { op: 'status' },
    ];
    for (const operation of operations) {
      const failure = await failureOf(connection.call({ ...operation, generation: 4 }));
      expect(failure.facts, JSON.stringify(operation)).to.include({ code: 'STALE_GENERATION', generation: 5 });
    }
    expect(await contentOf('v')).to.deep.equal(['kept']);
    expect((await connection.call({ op: 'status' }))['processes']).to.deep.equal([]);
    for (const generation of [undefined, 5, 6]) {
      expect(await connection.receive({ id: 'r', volume: 'v', generation }, archive)).to.include({ entries: 2 });
    }
    // The generation of an operation alone does not raise the fence.
    expect(await fence(5)).to.deep.equal({ generation: 5 });
    await connection.bye();
  });

  it('ends the upload of an older host with STALE_GENERATION and without changes', async () => {
    const older = await beginUpload('up', { generation: 1, leaseMs });
    expect(await fence(2)).to.deep.equal({ generation: 2 });
    expect(await staged('up')).to.deep.equal([]);
    sendRest(older);
    expect(await errorOf(older)).to.include({ code: 'STALE_GENERATION', generation: 2 });
    older.done();
    const again = { op: 'receive', id: 'up', volume: 'up', path: '', attempt: 2, leaseMs, generation: 1 };
    for (const resume of [true, false]) {
      const failure = await failureOf(older.call({ ...again, resume }));
      expect(failure.facts).to.include({ code: 'STALE_GENERATION', generation: 2 });
    }
    expect(await contentOf('up')).to.deep.equal([]);
    expect(await older.receive({ id: 'up', volume: 'up', attempt: 1, generation: 2 }, archive)).to.include({
      entries: 2,
    });
    await older.bye();
  });

  it('ends a parked operation, and rejects its host when it reconnects', async () => {
    (await beginUpload('up', { generation: 1, leaseMs })).destroy();
    const other = await agent.connect();
    await until('it is parked', async () => (await other.call({ op: 'status' }))['parked'] === 1);
    await fence(2, other);
    expect(await staged('up')).to.deep.equal([]);
    expect(await other.call({ op: 'status' })).to.include({ parked: 0, operations: 0 });
    const open = { op: 'receive', id: 'up', volume: 'up', path: '', attempt: 2, leaseMs, resume: true };
    expect((await failureOf(other.call({ ...open, generation: 1 }))).code).to.equal('STALE_GENERATION');
    expect((await failureOf(other.call({ ...open, generation: 2 }))).code).to.equal('OPERATION_GONE');
    await other.bye();
  });

  it('does not affect operations without a generation, or of its own', async () => {
    const without = await beginUpload('without');
    const own = await beginUpload('own', { generation: 2 });
    await fence(2);
    for (const connection of [without, own]) {
      sendRest(connection);
      expect(await resultOf(connection)).to.include({ entries: 2 });
      connection.done();
      await connection.bye();
    }
  });

  it('replies only once older operations have ended, rejects waiting ones, and answers pings meanwhile', async () => {
    const older = await beginUpload('up', { generation: 1 });
    const [stopped] = await agentSessions(agent.process);
    if (stopped === undefined) throw new Error('no session');
    process.kill(stopped, 'SIGSTOP');
    try {
      const waiting = await agent.connect();
      waiting.open({ op: 'receive', id: 'up', volume: 'up', path: '', attempt: 2, generation: 1 });
      await answersPing(waiting);
      const fencing = await agent.connect();
      fencing.open({ op: 'fence', generation: 2 });
      expect(await errorOf(waiting)).to.include({ code: 'STALE_GENERATION', generation: 2 });
      waiting.done();
      await waiting.bye();
      await answersPing(fencing);
      await fencing.expect(frameType.progress);
      const late = await agent.connect();
      const failure = await failureOf(late.call({ op: 'remove', volume: 'up', generation: 1 }));
      expect(failure.code).to.equal('STALE_GENERATION');
      await late.bye();
      process.kill(stopped, 'SIGCONT');
      expect(await resultOf(fencing)).to.deep.equal({ generation: 2 });
      fencing.done();
      await fencing.bye();
    } catch (error) {
      process.kill(stopped, 'SIGKILL');
      throw error;
    }
    expect(await staged('up')).to.deep.equal([]);
    await older.ended; // its id was taken over before the fence came
  });

  it('ends with STALE_GENERATION when a higher fence arrives while it waits', async () => {
    const older = await beginUpload('up', { generation: 1 });
    const [stopped] = await agentSessions(agent.process);
    if (stopped === undefined) throw new Error('no session');
    process.kill(stopped, 'SIGSTOP');
    const lower = await agent.connect();
    lower.open({ op: 'fence', generation: 2 });
    await answersPing(lower);
    const higher = await agent.connect();
    higher.open({ op: 'fence', generation: 3 });
    try {
      expect(await errorOf(lower)).to.include({ code: 'STALE_GENERATION', generation: 3 });
    } finally {
      process.kill(stopped, 'SIGCONT');
    }
    expect(await resultOf(higher)).to.deep.equal({ generation: 3 });
    for (const connection of [lower, higher]) {
      connection.done();
      await connection.bye();
    }
    older.destroy();
  });

  it('waits for a marked commit, which is then complete', async function () {
    await using built = await heldAgent(this);
    const { held, file } = built;
    const older = await held.connect();
    older.open({ op: 'receive', id: 'long', volume: 'v', path: '', attempt: 1, leaseMs, generation: 1 });
    await older.opened();
    const window = decodeWindow(await older.expect(frameType.window));
    new Feeder(older, await tarOf({ a: 'a', held: 'held', z: 'z' })).grant(window);
    await until('the commit is held', () => exists(`${file}.held`));
    const newer = await held.connect();
    newer.open({ op: 'fence', generation: 2 });
    await newer.expect(frameType.progress);
    await answersPing(newer);
    await writeFile(file, '');
    expect(await resultOf(newer)).to.deep.equal({ generation: 2 });
    expect(await readdir(join(held.folder, 'volumes/v/data'))).to.have.members(['a', 'held', 'z']);
    expect(await readdir(join(held.folder, 'agent/operations'))).to.deep.equal([]);
    newer.done();
    const again = {
      op: 'receive',
      id: 'long',
      volume: 'v',
      path: '',
      attempt: 2,
      leaseMs,
      resume: true,
      generation: 2,
    };
    expect(await newer.call(again)).to.include({ entries: 3 });
    older.destroy();
    await newer.bye();
  });

  it('outlives a restart of the agent', async () => {
    await fence(7);
    await agent.killAndRestart();
    const connection = await agent.connect();
    const open = { op: 'receive', id: 'r', volume: 'v', path: '', attempt: 1, leaseMs, resume: true };
    for (const operation of [{ op: 'fence' }, { op: 'start', process: 'p', args: ['true'] }, open]) {
      const failure = await failureOf(connection.call({ ...operation, generation: 6 }));
      expect(failure.facts, operation.op).to.include({ code: 'STALE_GENERATION', generation: 7 });
    }
    expect(await fence(8, connection)).to.deep.equal({ generation: 8 });
    await agent.killAndRestart();
    expect((await failureOf(fence(7))).facts).to.include({ generation: 8 });
    await connection.ended;
  });

  it('keeps the highest of many concurrent generations', async () => {
    const connections = await Promise.all(Array.from({ length: 20 }, () => agent.connect()));
    await Promise.allSettled(connections.map((connection, index) => fence(index + 1, connection)));
    await agent.killAndRestart();
    expect((await failureOf(fence(19))).facts).to.include({ code: 'STALE_GENERATION', generation: 20 });
    expect(await readdir(join(agent.folder, 'agent/generation'))).to.deep.equal(['20']);
  });

  it('detaches an older host from a process, and does not touch the process', async () => {
    const older = await agent.connect();
    await older.start('cat', ['cat'], { stdin: true });
    older.open({ op: 'attach', process: 'cat', stdin: true, generation: 1 });
    await older.opened();
    await older.expect(frameType.window);
    await fence(2);
    older.write(encodeData(0, 0, Buffer.from('of the older host')));
    expect(await errorOf(older)).to.include({ code: 'STALE_GENERATION', generation: 2 });
    older.done();
    const result = await older.attach('cat', { stdin: true, generation: 2 }, Buffer.from('of the newer host'));
    expect(result.stdout.toString()).to.equal('of the newer host');
    expect(result.result).to.include({ exitStatus: 0 });
    await older.bye();
  });

  it('does not wait for an older host that does not read', async () => {
    await mkdir(dataOf('down'), { recursive: true });
    await writeFile(join(dataOf('down'), 'big'), randomBytes(30_000_000));
    const older = await agent.connect();
    older.open({
      op: 'send',
      id: 'down',
      volume: 'down',
      path: '',
      attempt: 1,
      leaseMs,
      window: 16 << 20,
      generation: 1,
    });
    await older.opened();
    older.pause();
    await sleep(100);
    expect(await fence(2)).to.deep.equal({ generation: 2 });
    older.destroy();
  });
});
