import { randomBytes } from 'node:crypto';
import { getEventListeners } from 'node:events';
import { zstdCompressSync } from 'node:zlib';

import { expect } from 'chai';

import type { AttachSpec } from '../../../../src/agent-client/process/agent-specs.ts';
import type { Attachment, AttachSinks } from '../../../../src/agent-client/process/attachment.ts';
import { ClosedError } from '../../../../src/errors/caller.ts';
import { ProtocolViolationError } from '../../../../src/errors/connection.ts';
import { OutcomeUnknownError, ProcessNotFoundError } from '../../../../src/errors/process.ts';
import { DigestMismatchError } from '../../../../src/errors/transfer.ts';
import { readData, readEnd, readWindow, wireData, wireEnd, wireWindow } from '../../../support/agent-wire.ts';
import { rejection } from '../../../support/rejection.ts';
import { PROCESS_RESULT, type ScriptedAgent, sha256 } from '../../../support/scripted-agent.ts';
import { ScriptedClient } from '../../../support/scripted-client.ts';
import { settle } from '../../../support/virtual-clock.ts';

const OPENED = {
  stdout: { from: 0, first: 0, end: 0 },
  stderr: { from: 0, first: 0, end: 0 },
  stdin: null,
  ended: false,
  startedAt: 1000,
};

describe('an attachment', () => {
  let setup: ScriptedClient;
  let agent: ScriptedAgent;
  let open: Record<string, unknown>;

  beforeEach(() => {
    setup = new ScriptedClient({ outputWindowBytes: 1000 });
  });

  afterEach(async () => {
    setup.client.close();
    await settle();
    expect(setup.clock.sleeping, 'timers left').to.equal(0);
  });

  async function attach(
    sinks: AttachSinks = {},
    spec: Partial<AttachSpec> = {},
    opened: object = {},
  ): Promise<Attachment> {
    const attaching = setup.client.attach({ processId: 'x', ...spec }, sinks);
    ({ agent, open } = await setup.opened('attach'));
    agent.json('OPENED', { ...OPENED, ...opened });
    return await attaching;
  }

  const ended = (stdout: Buffer, stderr: Buffer): void => {
    agent.say(wireEnd(1, stdout.length, sha256(stdout)), wireEnd(2, stderr.length, sha256(stderr)));
  };

  it('says what it wants, and gives what OPENED says', async () => {
    const attachment = await attach(
      {},
      { from: { stdout: 7, stderr: 'now' }, stdin: true, attempt: 3 },
      { stdin: { from: 5, ended: false } },
    );
    expect(open).to.deep.include({
      process: 'x',
      from: { stdout: 7, stderr: -1 },
      stdin: true,
      output: true,
      attempt: 3,
      window: 1000,
    });
    expect(attachment.facts).to.deep.include({
      stdin: { from: 5, ended: false },
      ended: false,
      startedAt: new Date(1000),
    });
    expect(attachment.stdinAcknowledged).to.equal(5);
    expect(readWindow(await agent.next('WINDOW'))).to.deep.equal({
      stream: 1,
      acknowledged: 0,
      limit: 1000,
      durable: false,
    });
    expect(readWindow(await agent.next('WINDOW'))).to.deep.include({ stream: 2, limit: 1000 });
  });

  it('tells what the agent cannot: kills for memory that are not counted, and output that was cut', async () => {
    const attachment = await attach({});
    ended(Buffer.alloc(0), Buffer.alloc(0));
    agent.json('RESULT', { ...PROCESS_RESULT, oomKills: -1, outputCut: true });
    expect(await attachment.result).to.include({ oomKills: undefined, outputCut: true });
  });

  it('delivers both streams, and the result when all is delivered and proven', async () => {
    const out: string[] = [];
    const attachment = await attach({
      stdout: (chunk) => void out.push(`out ${Buffer.from(chunk).toString()}`),
      stderr: (chunk) => void out.push(`err ${Buffer.from(chunk).toString()}`),
    });
    agent.say(
      wireData(1, 0, Buffer.from('a')),
      wireData(2, 0, Buffer.from('b')),
      wireData(1, 1, zstdCompressSync(Buffer.from('c')), { rawLength: 1 }),
    );
    expect(out).to.deep.equal(['out a', 'err b', 'out c']);
    expect(attachment.position).to.deep.equal({ stdoutBytes: 2, stderrBytes: 1 });
    ended(Buffer.from('ac'), Buffer.from('b'));
    agent.json('RESULT', { ...PROCESS_RESULT, exitStatus: 3, stdoutBytes: 2, stderrBytes: 1 });
    expect(await attachment.result).to.deep.equal({
      exitStatus: 3,
      signal: undefined,
      startedAt: new Date(1000),
      finishedAt: new Date(2000),
      stdoutBytes: 2,
      stderrBytes: 1,
      oomKills: 0,
      outputCut: false,
      shutdown: false,
    });
  });

  it('goes on from an offset', async () => {
    const attachment = await attach(
      {},
      { from: { stdout: 100, stderr: 0 } },
      { stdout: { from: 100, first: 0, end: 102 } },
    );
    expect(attachment.position).to.deep.equal({ stdoutBytes: 100, stderrBytes: 0 });
    agent.say(
      wireData(1, 100, Buffer.from('ab')),
      wireEnd(1, 102, sha256(Buffer.from('ab'))),
      wireEnd(2, 0, sha256(Buffer.alloc(0))),
    );
    agent.json('RESULT', PROCESS_RESULT);
    await attachment.result;
    expect(attachment.position.stdoutBytes).to.equal(102);
  });

  it('gives credit only for what a sink has taken, for each stream by itself', async () => {
    const taken: (() => void)[] = [];
    const attachment = await attach({ stdout: () => new Promise((resolve) => taken.push(resolve)) });
    await agent.next('WINDOW');
    await agent.next('WINDOW');
    agent.say(wireData(1, 0, randomBytes(600)), wireData(1, 600, randomBytes(400)), wireData(2, 0, randomBytes(300)));
    await settle();
    expect(readWindow(await agent.next('WINDOW'))).to.deep.include({ stream: 2, acknowledged: 300, limit: 1300 });
    expect(agent.frames).to.deep.equal([]);
    expect(taken).to.have.length(1);
    expect(attachment.position.stdoutBytes).to.equal(0);
    taken[0]?.();
    await settle();
    expect(readWindow(await agent.next('WINDOW'))).to.deep.include({ stream: 1, acknowledged: 600, limit: 1600 });
    expect(attachment.position.stdoutBytes).to.equal(600);
    expect(taken).to.have.length(2);
  });

  it('says what is stored', async () => {
    const attachment = await attach();
    agent.say(wireData(1, 0, randomBytes(10)));
    attachment.acknowledgeDurable({ stdoutBytes: 100, stderrBytes: 0 });
    await settle();
    const windows = agent.frames.map(readWindow).filter(({ durable }) => durable);
    expect(windows).to.deep.equal([
      { stream: 1, acknowledged: 10, limit: 1010, durable: true },
      { stream: 2, acknowledged: 0, limit: 1000, durable: true },
    ]);
  });

  it('waits for a slow sink before it gives the result', async () => {
    let taken: (() => void) | undefined;
    let result = false;
    const attachment = await attach({ stdout: () => new Promise((resolve) => (taken = resolve)) });
    void attachment.result.then(() => (result = true));
    agent.data(1, 0, Buffer.from('a'));
    ended(Buffer.from('a'), Buffer.alloc(0));
    agent.json('RESULT', PROCESS_RESULT);
    await settle();
    expect(result).to.equal(false);
    taken?.();
    await settle();
    expect(result).to.equal(true);
  });

  it('wants no output where it was told so', async () => {
    const attachment = await attach({}, { output: false });
    expect(open['output']).to.equal(false);
    agent.json('RESULT', PROCESS_RESULT);
    expect((await attachment.result).exitStatus).to.equal(0);
    expect(agent.types).not.to.include('WINDOW');
  });

  it('forwards a stop, and continues', async () => {
    const attachment = await attach({}, { output: false });
    attachment.stop(10_000);
    await settle();
    expect(await agent.nextJson('STOP')).to.deep.equal({ graceMs: 10_000 });
    agent.json('RESULT', { ...PROCESS_RESULT, exitStatus: 143, signal: 15 });
    expect(await attachment.result).to.include({ exitStatus: 143, signal: 15 });
  });

  context('that feeds stdin', () => {
    const feed = (): Promise<Attachment> =>
      attach({}, { output: false, stdin: true }, { stdin: { from: 5, ended: false } });

    it('sends within the window, from where the agent is, in the order of the calls', async () => {
      const attachment = await feed();
      let sent = 0;
      for (const text of ['abc', 'defg']) void attachment.sendStdin(Buffer.from(text)).then(() => (sent += 1));
      const last = attachment.endStdin();
      await settle();
      expect(agent.frames).to.deep.equal([]);
      agent.say(wireWindow(0, 5, 10));
      await settle();
      expect(readData(await agent.next('DATA'))).to.deep.include({ stream: 0, offset: 5, bytes: Buffer.from('abc') });
      expect(readData(await agent.next('DATA'))).to.deep.include({ offset: 8, bytes: Buffer.from('de') });
      expect(sent).to.equal(1);
      agent.say(wireWindow(0, 10, 20));
      expect(attachment.stdinAcknowledged).to.equal(10);
      await last;
      expect(sent).to.equal(2);
      expect(readData(await agent.next('DATA'))).to.deep.include({ offset: 10, bytes: Buffer.from('fg') });
      expect(readEnd(await agent.next('END'))).to.deep.equal({
        stream: 0,
        total: 12,
        digest: sha256(Buffer.from('abcdefg')).toString('hex'),
      });
    });

    it('drops what the command does not read any more', async () => {
      const attachment = await feed();
      const waiting = attachment.sendStdin(Buffer.from('abc'));
      agent.json('RESULT', PROCESS_RESULT);
      await attachment.result;
      await waiting;
      await attachment.sendStdin(Buffer.from('more'));
      await attachment.endStdin();
      expect(agent.types).not.to.include('DATA');
    });

    it('rejects what waits when the connection is lost, with its reason', async () => {
      const attachment = await feed();
      const waiting = rejection(attachment.sendStdin(Buffer.from('abc')));
      const cut = new Error('cut');
      agent.lose(cut);
      expect(await waiting).to.equal(cut);
      expect(await rejection(attachment.result)).to.equal(cut);
      expect(await rejection(attachment.sendStdin(Buffer.from('abc')))).to.equal(cut);
    });

    it('refuses an acknowledgement of what was not sent', async () => {
      const attachment = await feed();
      agent.say(wireWindow(0, 6, 10));
      expect(await rejection(attachment.result)).to.be.instanceOf(ProtocolViolationError);
      expect(agent.closed).to.equal(true);
    });
  });

  context('that ends otherwise', () => {
    it('rejects with the reason of the connection, delivers nothing after it, and its position says where to go on', async () => {
      let taken: (() => void) | undefined;
      const chunks: number[] = [];
      const attachment = await attach({
        stdout: (chunk) => {
          chunks.push(chunk.length);
          return new Promise((resolve) => (taken = resolve));
        },
      });
      agent.say(wireData(1, 0, randomBytes(10)), wireData(1, 10, randomBytes(20)));
      const cut = new Error('cut');
      agent.lose(cut);
      const failed = rejection(attachment.result);
      await settle();
      taken?.();
      expect(await failed).to.equal(cut);
      expect(chunks).to.deep.equal([10]);
      expect(attachment.position.stdoutBytes).to.equal(10);
    });

    it('rejects with the meaning of the error of the agent, at the start or later', async () => {
      const attaching = rejection(setup.client.attach({ processId: 'x' }, {}));
      ({ agent } = await setup.opened('attach'));
      agent.json('ERROR', { code: 'PROCESS_NOT_FOUND', message: 'm' });
      expect(await attaching).to.be.instanceOf(ProcessNotFoundError);
      const attachment = await attach();
      agent.json('ERROR', { code: 'PROCESS_LOST', message: 'm', oomKills: 1 });
      expect(await rejection(attachment.result)).to.be.instanceOf(OutcomeUnknownError);
      expect(setup.agents).to.have.length(1);
    });

    it('rejects with what a sink fails with, detaches, and the connection is used again', async () => {
      const broken = new Error('broken pipe');
      for (const stdout of [
        () => Promise.reject(broken),
        () => {
          throw broken;
        },
      ]) {
        const attachment = await attach({ stdout });
        agent.data(1, 0, Buffer.from('a'));
        expect(await rejection(attachment.result)).to.equal(broken);
        await settle();
        expect(agent.types.at(-1)).to.equal('CANCEL');
        agent.frames.length = 0;
        agent.json('ERROR', { code: 'CANCELLED', message: '' });
        await settle();
      }
      expect(setup.agents).to.have.length(1);
    });

    it('detaches, and then delivers nothing', async () => {
      const chunks: Uint8Array[] = [];
      const attachment = await attach({ stdout: (chunk) => void chunks.push(chunk) });
      const detaching = attachment.detach();
      agent.data(1, 0, Buffer.from('a'));
      agent.json('ERROR', { code: 'CANCELLED', message: '' });
      await detaching;
      expect(await rejection(attachment.result)).to.be.instanceOf(ClosedError);
      expect(chunks).to.deep.equal([]);
      await attachment.detach();
      await settle();
      expect(agent.types.filter((type) => type === 'CANCEL')).to.have.length(1);
      expect(agent.types.at(-1)).to.equal('DONE');
    });

    it('closes the connection where the agent does not answer the detaching', async () => {
      const attachment = await attach();
      const detaching = attachment.detach();
      await setup.clock.advance(5_000);
      await detaching;
      expect(agent.closed).to.equal(true);
    });

    it('ends with the signal of the attaching only while it attaches', async () => {
      const stop = new AbortController();
      const attaching = setup.client.attach({ processId: 'x' }, {}, { signal: stop.signal });
      ({ agent } = await setup.opened('attach'));
      agent.json('OPENED', OPENED);
      const attachment = await attaching;
      expect(getEventListeners(stop.signal, 'abort')).to.deep.equal([]);
      stop.abort();
      ended(Buffer.alloc(0), Buffer.alloc(0));
      agent.json('RESULT', PROCESS_RESULT);
      expect((await attachment.result).exitStatus).to.equal(0);
    });

    for (const [what, frames] of [
      ['bytes that skip some', [wireData(1, 1, Buffer.from('a'))]],
      ['bytes that come twice', [wireData(1, 0, Buffer.from('a')), wireData(1, 0, Buffer.from('a'))]],
      ['more than the window', [wireData(1, 0, randomBytes(1001))]],
      ['bytes on stdin', [wireData(0, 0, Buffer.from('a'))]],
      ['bytes after the end', [wireEnd(1, 0, sha256(Buffer.alloc(0))), wireData(1, 0, Buffer.from('a'))]],
      ['two ends', [wireEnd(1, 0, sha256(Buffer.alloc(0))), wireEnd(1, 0, sha256(Buffer.alloc(0)))]],
      ['an end elsewhere', [wireEnd(1, 5, sha256(Buffer.alloc(0)))]],
      ['what is not zstd', [wireData(1, 0, Buffer.from('abc'), { rawLength: 100 })]],
      ['a window for no stdin', [wireWindow(0, 0, 10)]],
    ] as const) {
      it(`closes the connection for ${what}`, async () => {
        const attachment = await attach();
        agent.say(...frames);
        expect(await rejection(attachment.result)).to.be.instanceOf(ProtocolViolationError);
        expect(agent.closed).to.equal(true);
      });
    }

    it('closes the connection for a result before the ends', async () => {
      const attachment = await attach();
      agent.json('RESULT', PROCESS_RESULT);
      expect(await rejection(attachment.result)).to.be.instanceOf(ProtocolViolationError);
    });

    it('gives no result of output whose digest is another', async () => {
      const attachment = await attach();
      agent.say(wireData(1, 0, Buffer.from('a')));
      ended(Buffer.from('b'), Buffer.alloc(0));
      agent.json('RESULT', PROCESS_RESULT);
      expect(await rejection(attachment.result)).to.be.instanceOf(DigestMismatchError);
    });
  });
});
