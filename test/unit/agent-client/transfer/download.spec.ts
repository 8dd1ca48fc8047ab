import { randomBytes } from 'node:crypto';
import { getEventListeners } from 'node:events';
import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { zstdCompressSync } from 'node:zlib';

import { expect } from 'chai';
import fc from 'fast-check';

import type { AgentDownload } from '../../../../src/agent-client/agent-client.ts';
import { ConnectionLimits } from '../../../../src/agent-client/session/connection-limits.ts';
import { ClosedError } from '../../../../src/errors/caller.ts';
import { ProtocolViolationError } from '../../../../src/errors/connection.ts';
import {
  DigestMismatchError,
  FileChangedError,
  FileNotFoundError,
  OperationLostError,
  TransferStalledError,
} from '../../../../src/errors/transfer.ts';
import { readWindow, wireData, wireEnd, wireJson, wireWindow } from '../../../support/agent/agent-wire.ts';
import { rejection } from '../../../support/rejection.ts';
import { type ScriptedAgent, sha256 } from '../../../support/scripted-agent.ts';
import { ScriptedClient } from '../../../support/scripted-client.ts';
import { settle } from '../../../support/virtual-clock.ts';

describe('Download', () => {
  let setup: ScriptedClient;
  let agent: ScriptedAgent;
  let open: Record<string, unknown>;

  beforeEach(() => {
    setup = new ScriptedClient({ downloadWindowBytes: 1 << 20 });
  });

  afterEach(async () => {
    setup.client.close();
    await settle();
    expect(setup.clock.sleeping, 'timers left').to.equal(0);
  });

  async function begin(signal?: AbortSignal): Promise<AgentDownload> {
    const sending = setup.client.send({ volume: 'v', path: 'a' }, { signal });
    ({ agent, open } = await setup.opened('send'));
    agent.json('OPENED', { from: 0, kind: 'directory' });
    return await sending;
  }

  function finish(bytes: Buffer, changes: object = {}): void {
    agent.json('RESULT', { bytes: bytes.length, sha256: sha256(bytes).toString('hex'), entries: 2, ...changes });
  }

  /** Reads until the end or an error. */
  async function drain(readable: Readable): Promise<{ readonly bytes: number; readonly error: unknown }> {
    let bytes = 0;
    try {
      for await (const chunk of readable) bytes += (chunk as Buffer).length;
      return { bytes, error: undefined };
    } catch (error) {
      return { bytes, error };
    }
  }

  it('sends its specification, and ends when both ends agree', async () => {
    const { kind, readable, completed } = await begin();
    expect(open).to.deep.include({ volume: 'v', path: 'a', window: 1 << 20 });
    expect(kind).to.equal('directory');
    const content = randomBytes(3_000_000);
    const reading = buffer(readable);
    await agent.sendStream(1, content);
    let isEnded = false;
    void reading.then(() => (isEnded = true));
    await settle();
    expect(isEnded, 'before RESULT').to.equal(false);
    finish(content);
    expect((await reading).equals(content)).to.equal(true);
    expect(await completed).to.deep.equal({
      bytes: content.length,
      sha256: sha256(content).toString('hex'),
      entries: 2,
    });
    expect(agent.types.at(-1)).to.equal('DONE');
  });

  context('when its reader consumes nothing', () => {
    const window = 1 << 20;
    const content = randomBytes(3 * window);
    let limits: ConnectionLimits;

    /** Sends the content between two offsets. */
    const sendRange = (to: ScriptedAgent, from: number, until: number): void => {
      for (let at = from; at < until; at += 65_536) to.data(1, at, content.subarray(at, at + 65_536));
    };

    beforeEach(async () => {
      setup.client.close();
      await settle();
      limits = new ConnectionLimits({ maxTransfers: 1 });
      setup = new ScriptedClient({ downloadWindowBytes: window }, limits);
    });

    it('lends its place, and takes one again, in order, before it grants more of the window', async () => {
      const unread = await begin();
      const slow = agent;
      sendRange(slow, 0, window);
      const other = await begin();
      expect(agent).not.to.equal(slow);
      slow.frames.length = 0;
      for (let taken = 0; taken < window; )
        taken += (unread.readable.read() as Buffer | null)?.length ?? (await settle(), 0);
      await settle();
      expect(slow.frames, 'WINDOW without a place').to.deep.equal([]);
      agent.send(wireEnd(1, 0, sha256(Buffer.alloc(0))));
      finish(Buffer.alloc(0));
      expect((await buffer(other.readable)).length).to.equal(0);
      await settle();
      expect(readWindow(await slow.next('WINDOW'))).to.include({ acknowledged: window, limit: 2 * window });
      unread.readable.destroy();
      slow.json('ERROR', { code: 'CANCELLED', message: '' });
      await settle();
    });

    it('does not stall while it waits for its place', async () => {
      const unread = await begin();
      const slow = agent;
      sendRange(slow, 0, window);
      const other = await begin();
      for (let taken = 0; taken < window; )
        taken += (unread.readable.read() as Buffer | null)?.length ?? (await settle(), 0);
      for (let waited = 0; waited < 10; waited += 1) {
        await setup.clock.advance(30_000);
        agent.json('PROGRESS', {});
      }
      expect(unread.readable.errored).to.equal(null);
      for (const { readable } of [unread, other]) readable.destroy();
      for (const each of [slow, agent]) each.json('ERROR', { code: 'CANCELLED', message: '' });
      await settle();
    });

    it('releases the place that it waits for when it is destroyed', async () => {
      const unread = await begin();
      const slow = agent;
      sendRange(slow, 0, window);
      const other = await begin();
      for (let taken = 0; taken < window; )
        taken += (unread.readable.read() as Buffer | null)?.length ?? (await settle(), 0);
      unread.readable.destroy();
      slow.json('ERROR', { code: 'CANCELLED', message: '' });
      other.readable.destroy();
      agent.json('ERROR', { code: 'CANCELLED', message: '' });
      await settle();
      (await limits.enter('download', {}))();
    });
  });

  it('delivers the bytes in order, for any compression and splitting of frames', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ size: fc.integer({ min: 1, max: 40_000 }), packed: fc.boolean() }), { maxLength: 12 }),
        fc.integer({ min: 100, max: 30_000 }),
        async (parts, size) => {
          const { readable } = await begin();
          const content = Buffer.concat(parts.map((part, index) => Buffer.alloc(part.size, `part ${index} `)));
          let offset = 0;
          const frames = parts.map((part) => {
            const raw = content.subarray(offset, offset + part.size);
            const frame = part.packed
              ? wireData(1, offset, zstdCompressSync(raw), { rawLength: raw.length })
              : wireData(1, offset, raw);
            offset += part.size;
            return frame;
          });
          const wire = Buffer.concat([...frames, wireEnd(1, content.length, sha256(content))]);
          for (let at = 0; at < wire.length; at += size) agent.send(wire.subarray(at, at + size));
          finish(content);
          expect((await buffer(readable)).equals(content)).to.equal(true);
          agent.frames.length = 0;
        },
      ),
      { numRuns: 25 },
    );
  });

  it('ends for an empty archive', async () => {
    const { readable } = await begin();
    await agent.sendStream(1, Buffer.alloc(0));
    finish(Buffer.alloc(0));
    expect((await buffer(readable)).length).to.equal(0);
  });

  it('holds little more than its window, and extends it by the bytes that were read', async () => {
    const { readable } = await begin();
    expect(readWindow(await agent.next('WINDOW'))).to.deep.equal({
      stream: 1,
      acknowledged: 0,
      limit: 1 << 20,
      durable: false,
    });
    for (let at = 0; at < 1 << 20; at += 65_536) agent.data(1, at, Buffer.alloc(65_536, 1));
    await settle();
    expect(agent.frames).to.deep.equal([]);
    let read = 0;
    while (read < 300_000) {
      read += (readable.read() as Buffer | null)?.length ?? 0;
      await settle();
    }
    const { acknowledged, limit } = readWindow(await agent.next('WINDOW'));
    expect(acknowledged).to.be.within(262_144, read + 65_536);
    expect(limit).to.equal(acknowledged + (1 << 20));
    readable.destroy();
  });

  it('continues with any window size and a reader of a few bytes at a time', async () => {
    setup = new ScriptedClient({ downloadWindowBytes: 1000 });
    const { readable } = await begin();
    const content = randomBytes(5_000);
    const sending = agent.sendStream(1, content, 300);
    const read: Buffer[] = [];
    while (Buffer.concat(read).length < content.length) {
      const chunk = readable.read(7) as Buffer | null;
      if (chunk === null) await settle();
      else read.push(chunk);
      if (readable.readableLength > 0 && readable.readableLength < 7) read.push(readable.read() as Buffer);
    }
    await sending;
    expect(Buffer.concat(read).equals(content)).to.equal(true);
    finish(content);
    readable.resume();
    await settle();
    expect(readable.readableEnded).to.equal(true);
  });

  context('when it fails', () => {
    it('rejects with the mapped error before OPENED', async () => {
      const sending = rejection(setup.client.send({ volume: 'v', path: 'a' }));
      ({ agent } = await setup.opened('send'));
      agent.json('ERROR', { code: 'FILE_NOT_FOUND', message: 'm' });
      expect(await sending)
        .to.be.instanceOf(FileNotFoundError)
        .with.property('path', 'a');
    });

    it('reports an error that arrives together with OPENED, and throws nothing past the caller', async () => {
      const sending = setup.client.send({ volume: 'v', path: 'a' });
      ({ agent } = await setup.opened('send'));
      agent.send(
        wireJson('OPENED', { from: 0, kind: 'file' }),
        wireJson('ERROR', { code: 'FILE_CHANGED', message: 'm' }),
      );
      const { error } = await sending.then(
        ({ readable }) => drain(readable),
        (failure: unknown) => ({ error: failure }),
      );
      expect(error).to.be.instanceOf(FileChangedError);
    });

    it('destroys the readable with the mapped error, without an end', async () => {
      const { readable, completed } = await begin();
      agent.data(1, 0, Buffer.from('a'));
      const reading = drain(readable);
      await settle();
      agent.json('ERROR', { code: 'FILE_CHANGED', message: 'm', path: 'b' });
      expect((await reading).error)
        .to.be.instanceOf(FileChangedError)
        .with.property('path', 'b');
      expect(await rejection(completed)).to.be.instanceOf(FileChangedError);
      expect(agent.types.at(-1)).to.equal('DONE');
    });

    it('rejects with OperationLostError and the reason of a lost connection', async () => {
      const { readable } = await begin();
      agent.data(1, 0, Buffer.from('abc'));
      const reading = drain(readable);
      await settle();
      const cut = new Error('cut');
      agent.lose(cut);
      const { bytes, error } = await reading;
      expect(bytes).to.equal(3);
      expect(error).to.be.instanceOf(OperationLostError).with.property('cause', cut);
      expect(error).to.include({ direction: 'out', bytes: 3, handle: 'v' });
    });

    it('throws nothing without an error listener', async () => {
      const { readable, completed } = await begin();
      agent.lose(new Error('cut'));
      await settle();
      expect(readable.errored).to.be.instanceOf(OperationLostError);
      void completed;
    });

    it('does not end if the digest differs', async () => {
      const { readable } = await begin();
      const reading = drain(readable);
      const other = sha256(Buffer.from('b'));
      agent.send(wireData(1, 0, Buffer.from('a')), wireEnd(1, 1, other));
      agent.json('RESULT', { bytes: 1, sha256: other.toString('hex'), entries: 1 });
      expect((await reading).error).to.be.instanceOf(DigestMismatchError);
    });

    it('does not end if the count differs', async () => {
      const { readable } = await begin();
      const reading = drain(readable);
      agent.send(wireData(1, 0, Buffer.from('a')), wireEnd(1, 2, sha256(Buffer.from('a'))));
      expect((await reading).error).to.be.instanceOf(DigestMismatchError);
      expect(agent.closed).to.equal(true);
    });

    for (const [what, send] of [
      ['a gap', () => agent.data(1, 1, Buffer.from('a'))],
      [
        'DATA beyond the window',
        () => {
          for (let at = 0; at <= 7 << 18; at += 1 << 18) agent.data(1, at, Buffer.alloc(1 << 18));
        },
      ],
      ['DATA of another stream', () => agent.data(2, 0, Buffer.from('a'))],
      ['DATA after END', () => agent.send(wireEnd(1, 0, sha256(Buffer.alloc(0))), wireData(1, 0, Buffer.from('a')))],
      ['DATA that is not zstd', () => agent.send(wireData(1, 0, Buffer.from('abc'), { rawLength: 100_000 }))],
      [
        'zstd data of another length',
        () => agent.send(wireData(1, 0, zstdCompressSync(Buffer.alloc(5000)), { rawLength: 4999 })),
      ],
      ['a RESULT before END', () => finish(Buffer.alloc(0))],
      [
        'a RESULT that differs from END',
        () => {
          agent.send(wireEnd(1, 0, sha256(Buffer.alloc(0))));
          finish(Buffer.from('a'));
        },
      ],
      ['a WINDOW', () => agent.send(wireWindow(0, 0, 5))],
    ] as const) {
      it(`rejects ${what} as a protocol violation, and closes the connection`, async () => {
        const { readable } = await begin();
        const reading = drain(readable);
        send();
        expect((await reading).error).to.be.instanceOf(ProtocolViolationError);
        await settle();
        expect(agent.closed).to.equal(true);
      });
    }
  });

  context('when its reader', () => {
    it('stops early, cancels the operation and reuses the connection', async () => {
      const { readable, completed } = await begin();
      await agent.next('WINDOW');
      agent.data(1, 0, Buffer.from('a'));
      for await (const chunk of readable) {
        expect((chunk as Buffer).toString()).to.equal('a');
        break;
      }
      await agent.next('CANCEL');
      agent.data(1, 1, Buffer.from('still in flight'));
      agent.json('ERROR', { code: 'CANCELLED', message: '' });
      await agent.next('DONE');
      await rejection(completed);
      await setup.client.hello();
      expect(setup.agents).to.have.length(1);
    });

    it('stops early, closes the connection if the agent does not answer', async () => {
      const { readable, completed } = await begin();
      readable.destroy();
      expect(await rejection(completed)).to.be.instanceOf(ClosedError);
      await setup.clock.advance(5_000);
      expect(agent.closed).to.equal(true);
    });

    it('is slow, waits for any time', async () => {
      const { readable } = await begin();
      const content = Buffer.alloc(600_000, 1);
      for (let at = 0; at < content.length; at += 100_000) agent.data(1, at, content.subarray(at, at + 100_000));
      for (let turn = 0; turn < 10; turn += 1) await setup.clock.advance(100_000);
      agent.send(wireEnd(1, content.length, sha256(content)));
      finish(content);
      expect((await buffer(readable)).equals(content)).to.equal(true);
    });
  });

  it('fails after two minutes without progress', async () => {
    const { readable } = await begin();
    agent.data(1, 0, Buffer.from('a'));
    const reading = drain(readable);
    await setup.clock.advance(100_000);
    agent.json('PROGRESS', {});
    await setup.clock.advance(100_000);
    expect(readable.errored).to.equal(null);
    await setup.clock.advance(50_000);
    expect((await reading).error).to.be.instanceOf(TransferStalledError);
    await setup.clock.advance(10_000);
  });

  context('when it is aborted', () => {
    const reason = new Error('stopped');

    it('destroys the readable with the reason', async () => {
      const stop = new AbortController();
      const { readable, completed } = await begin(stop.signal);
      const reading = drain(readable);
      agent.data(1, 0, Buffer.from('a'));
      await settle();
      stop.abort(reason);
      expect((await reading).error).to.equal(reason);
      expect(await rejection(completed)).to.equal(reason);
      expect(getEventListeners(stop.signal, 'abort')).to.deep.equal([]);
      expect(agent.types.at(-1)).to.equal('CANCEL');
    });

    it('rejects before OPENED', async () => {
      const stop = new AbortController();
      const sending = rejection(setup.client.send({ volume: 'v' }, { signal: stop.signal }));
      ({ agent } = await setup.opened('send'));
      stop.abort(reason);
      expect(await sending).to.equal(reason);
      expect(getEventListeners(stop.signal, 'abort')).to.deep.equal([]);
    });

    it('keeps its bytes after the end, and removes its listener', async () => {
      const stop = new AbortController();
      const { readable } = await begin(stop.signal);
      agent.send(wireData(1, 0, Buffer.from('a')), wireEnd(1, 1, sha256(Buffer.from('a'))));
      finish(Buffer.from('a'));
      expect((await buffer(readable)).toString()).to.equal('a');
      await settle();
      expect(getEventListeners(stop.signal, 'abort')).to.deep.equal([]);
    });
  });
});
