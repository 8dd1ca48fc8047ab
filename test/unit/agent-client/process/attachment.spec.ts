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
import { readData, readEnd, readWindow, wireData, wireEnd, wireWindow } from '../../../support/agent/agent-wire.ts';
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

describe('AttachOperation', () => {
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
    agent.send(wireEnd(1, stdout.length, sha256(stdout)), wireEnd(2, stderr.length, sha256(stderr)));
  };

  it('sends its specification, and returns the fields of OPENED', async () => {
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

  it('reports unknown OOM kills and truncated output', async () => {
    const attachment = await attach({});
    ended(Buffer.alloc(0), Buffer.alloc(0));
    agent.json('RESULT', { ...PROCESS_RESULT, oomKills: -1, outputCut: true });
    expect(await attachment.result).to.include({ oomKills: undefined, outputCut: true });
  });

  it('delivers both streams, and resolves when all output is delivered and verified', async () => {
    const out: string[] = [];
    const attachment = await attach({
      stdout: (chunk) => void out.push(`out ${Buffer.from(chunk).toString()}`),
      stderr: (chunk) => void out.push(`err ${Buffer.from(chunk).toString()}`),
    });
    agent.send(
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

  it('starts at an offset', async () => {
    const attachment = await attach(
      {},
      { from: { stdout: 100, stderr: 0 } },
      { stdout: { from: 100, first: 0, end: 102 } },
    );
    expect(attachment.position).to.deep.equal({ stdoutBytes: 100, stderrBytes: 0 });
    agent.send(
      wireData(1, 100, Buffer.from('ab')),
      wireEnd(1, 102, sha256(Buffer.from('ab'))),
      wireEnd(2, 0, sha256(Buffer.alloc(0))),
    );
    agent.json('RESULT', PROCESS_RESULT);
    await attachment.result;
    expect(attachment.position.stdoutBytes).to.equal(102);
  });

  it('extends the window only by consumed output, for each stream separately', async () => {
    const taken: (() => void)[] = [];
    const attachment = await attach({ stdout: () => new Promise((resolve) => taken.push(resolve)) });
    await agent.next('WINDOW');
    await agent.next('WINDOW');
    agent.send(wireData(1, 0, randomBytes(600)), wireData(1, 600, randomBytes(400)), wireData(2, 0, randomBytes(300)));
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

  it('reports stored output', async () => {
    const attachment = await attach();
    agent.send(wireData(1, 0, randomBytes(10)));
    attachment.acknowledgeDurable({ stdoutBytes: 100, stderrBytes: 0 });
    await settle();
    const windows = agent.frames.map(readWindow).filter(({ durable }) => durable);
    expect(windows).to.deep.equal([
      { stream: 1, acknowledged: 10, limit: 1010, durable: true },
      { stream: 2, acknowledged: 0, limit: 1000, durable: true },
    ]);
  });

  it('waits for a slow sink before it resolves', async () => {
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

  it('receives no output with output: false', async () => {
    const attachment = await attach({}, { output: false });
    expect(open['output']).to.equal(false);
    agent.json('RESULT', PROCESS_RESULT);
    expect((await attachment.result).exitStatus).to.equal(0);
    expect(agent.types).not.to.include('WINDOW');
  });

  it('sends STOP, and continues', async () => {
    const attachment = await attach({}, { output: false });
    attachment.stop(10_000);
    await settle();
    expect(await agent.nextJson('STOP')).to.deep.equal({ graceMs: 10_000 });
    agent.json('RESULT', { ...PROCESS_RESULT, exitStatus: 143, signal: 15 });
    expect(await attachment.result).to.include({ exitStatus: 143, signal: 15 });
  });

  context('when it feeds stdin', () => {
    const feed = (): Promise<Attachment> =>
      attach({}, { output: false, stdin: true }, { stdin: { from: 5, ended: false } });

    it('sends within the window, from the offset of the agent, in the order of the calls', async () => {
      const attachment = await feed();
      let sent = 0;
      for (const text of ['abc', 'defg']) void attachment.sendStdin(Buffer.from(text)).then(() => (sent += 1));
      const last = attachment.endStdin();
      await settle();
      expect(agent.frames).to.deep.equal([]);
      agent.send(wireWindow(0, 5, 10));
      await settle();
      expect(readData(await agent.next('DATA'))).to.deep.include({ stream: 0, offset: 5, bytes: Buffer.from('abc') });
      expect(readData(await agent.next('DATA'))).to.deep.include({ offset: 8, bytes: Buffer.from('de') });
      expect(sent).to.equal(1);
      agent.send(wireWindow(0, 10, 20));
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

    it('discards bytes after the command has ended', async () => {
      const attachment = await feed();
      const waiting = attachment.sendStdin(Buffer.from('abc'));
      agent.json('RESULT', PROCESS_RESULT);
      await attachment.result;
      await waiting;
      await attachment.sendStdin(Buffer.from('more'));
      await attachment.endStdin();
      expect(agent.types).not.to.include('DATA');
    });

    it('rejects waiting and later calls with the reason of a lost connection', async () => {
      const attachment = await feed();
      const waiting = rejection(attachment.sendStdin(Buffer.from('abc')));
      const cut = new Error('cut');
      agent.lose(cut);
      expect(await waiting).to.equal(cut);
      expect(await rejection(attachment.result)).to.equal(cut);
      expect(await rejection(attachment.sendStdin(Buffer.from('abc')))).to.equal(cut);
    });

    it('rejects an acknowledgement of bytes that were not sent', async () => {
      const attachment = await feed();
      agent.send(wireWindow(0, 6, 10));
      expect(await rejection(attachment.result)).to.be.instanceOf(ProtocolViolationError);
      expect(agent.closed).to.equal(true);
    });
  });

  context('when it ends early', () => {
    it('rejects with the reason of the connection, stops delivery, and keeps the position to resume from', async () => {
      let taken: (() => void) | undefined;
      const chunks: number[] = [];
      const attachment = await attach({
        stdout: (chunk) => {
          chunks.push(chunk.length);
          return new Promise((resolve) => (taken = resolve));
        },
      });
      agent.send(wireData(1, 0, randomBytes(10)), wireData(1, 10, randomBytes(20)));
      const cut = new Error('cut');
      agent.lose(cut);
      const failed = rejection(attachment.result);
      await settle();
      taken?.();
      expect(await failed).to.equal(cut);
      expect(chunks).to.deep.equal([10]);
      expect(attachment.position.stdoutBytes).to.equal(10);
    });

    it('rejects with the mapped error of the agent, before and after OPENED', async () => {
      const attaching = rejection(setup.client.attach({ processId: 'x' }, {}));
      ({ agent } = await setup.opened('attach'));
      agent.json('ERROR', { code: 'PROCESS_NOT_FOUND', message: 'm' });
      expect(await attaching).to.be.instanceOf(ProcessNotFoundError);
      const attachment = await attach();
      agent.json('ERROR', { code: 'PROCESS_LOST', message: 'm', oomKills: 1 });
      expect(await rejection(attachment.result)).to.be.instanceOf(OutcomeUnknownError);
      expect(setup.agents).to.have.length(1);
    });

    it('rejects with the error of a sink, detaches, and reuses the connection', async () => {
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

    it('delivers nothing after detach', async () => {
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

    it('closes the connection if the agent does not answer CANCEL', async () => {
      const attachment = await attach();
      const detaching = attachment.detach();
      await setup.clock.advance(5_000);
      await detaching;
      expect(agent.closed).to.equal(true);
    });

    it('ignores the signal after OPENED', async () => {
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
      ['a gap in the output', [wireData(1, 1, Buffer.from('a'))]],
      ['repeated output', [wireData(1, 0, Buffer.from('a')), wireData(1, 0, Buffer.from('a'))]],
      ['output beyond the window', [wireData(1, 0, randomBytes(1001))]],
      ['DATA on stdin', [wireData(0, 0, Buffer.from('a'))]],
      ['DATA after END', [wireEnd(1, 0, sha256(Buffer.alloc(0))), wireData(1, 0, Buffer.from('a'))]],
      ['a second END', [wireEnd(1, 0, sha256(Buffer.alloc(0))), wireEnd(1, 0, sha256(Buffer.alloc(0)))]],
      ['an END at another offset', [wireEnd(1, 5, sha256(Buffer.alloc(0)))]],
      ['DATA that is not zstd', [wireData(1, 0, Buffer.from('abc'), { rawLength: 100 })]],
      ['a WINDOW without stdin', [wireWindow(0, 0, 10)]],
    ] as const) {
      it(`closes the connection for ${what}`, async () => {
        const attachment = await attach();
        agent.send(...frames);
        expect(await rejection(attachment.result)).to.be.instanceOf(ProtocolViolationError);
        expect(agent.closed).to.equal(true);
      });
    }

    it('closes the connection for a RESULT before END', async () => {
      const attachment = await attach();
      agent.json('RESULT', PROCESS_RESULT);
      expect(await rejection(attachment.result)).to.be.instanceOf(ProtocolViolationError);
    });

    it('rejects with DigestMismatchError for output with another digest', async () => {
      const attachment = await attach();
      agent.send(wireData(1, 0, Buffer.from('a')));
      ended(Buffer.from('b'), Buffer.alloc(0));
      agent.json('RESULT', PROCESS_RESULT);
      expect(await rejection(attachment.result)).to.be.instanceOf(DigestMismatchError);
    });
  });
});
