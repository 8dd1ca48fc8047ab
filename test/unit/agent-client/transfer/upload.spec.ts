import { randomBytes } from 'node:crypto';
import { getEventListeners } from 'node:events';
import { PassThrough, Readable } from 'node:stream';

import { expect } from 'chai';

import type { UploadResult } from '../../../../src/agent-client/transfer/upload.ts';
import { InvalidSpecError } from '../../../../src/errors/caller.ts';
import { ProtocolViolationError } from '../../../../src/errors/connection.ts';
import {
  CorruptArchiveError,
  DigestMismatchError,
  OperationLostError,
  TransferStalledError,
} from '../../../../src/errors/transfer.ts';
import { wireData, wireWindow } from '../../../support/agent-wire.ts';
import { rejection } from '../../../support/rejection.ts';
import { type ScriptedAgent, sha256 } from '../../../support/scripted-agent.ts';
import { ScriptedClient } from '../../../support/scripted-client.ts';
import { settle } from '../../../support/virtual-clock.ts';

const noise = randomBytes(700_000);
const archive = Buffer.concat([noise, Buffer.alloc(900_000, 'text that can be compressed ')]);

async function* inPieces(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

describe('an upload', () => {
  let setup: ScriptedClient;
  let agent: ScriptedAgent;
  let open: Record<string, unknown>;

  beforeEach(() => {
    setup = new ScriptedClient();
  });

  afterEach(async () => {
    setup.client.close();
    await settle();
    expect(setup.clock.sleeping, 'timers left').to.equal(0);
  });

  /** Begins one; the promise is in an object, so that it is not awaited. */
  async function begin(
    source: AsyncIterable<Uint8Array>,
    signal?: AbortSignal,
  ): Promise<{ readonly result: Promise<UploadResult> }> {
    const result = setup.client.receive({ volume: 'v', path: 'a/b', expandedLimitBytes: 9, setId: 'error' }, source, {
      signal,
    });
    result.catch(() => undefined);
    ({ agent, open } = await setup.opened('receive'));
    agent.json('OPENED', { from: 0 });
    return { result };
  }

  function commit(bytes: Buffer, changes: object = {}): void {
    agent.json('RESULT', {
      bytes: bytes.length,
      sha256: sha256(bytes).toString('hex'),
      entries: 2,
      expandedBytes: 3,
      ...changes,
    });
  }

  /** A source that tells whether it was ended, and gives chunks when it is told to. */
  function source(): { readonly stream: PassThrough; readonly closed: Promise<unknown> } {
    const stream = new PassThrough();
    return { stream, closed: new Promise((resolve) => stream.once('close', resolve)) };
  }

  it('says where to, and gives what both ends agree on', async () => {
    const { result } = await begin(Readable.from([archive]));
    expect(open).to.deep.include({ volume: 'v', path: 'a/b', expandedLimitBytes: 9, set: 'error' });
    expect((await agent.takeUpload(1 << 20)).equals(archive)).to.equal(true);
    commit(archive);
    expect(await result).to.deep.equal({
      bytes: archive.length,
      sha256: sha256(archive).toString('hex'),
      entries: 2,
      expandedBytes: 3,
    });
    await agent.next('DONE');
  });

  for (const [protocol, flags] of [
    [2, 0],
    [3, 8],
  ] as const) {
    it(`of an encoding that has proven its end says so in END to an agent of version ${protocol}: flags ${flags}`, async () => {
      setup.onConnect = (connected) => connected.hello({ protocol: [1, protocol] });
      const result = setup.client.receive({ volume: 'v' }, Readable.from([noise]), { isProven: () => true });
      ({ agent, open } = await setup.opened('receive'));
      agent.json('OPENED', { from: 0 });
      agent.say(wireWindow(0, 0, 1 << 20));
      while (agent.frames[0]?.type !== 'END') {
        if (agent.frames.length > 0) await agent.next('DATA');
        await settle();
      }
      expect((await agent.next('END')).flags).to.equal(flags);
      commit(noise);
      await result;
    });
  }

  for (const size of [1_000, 65_536, 262_144, 1_600_000]) {
    for (const windowBytes of [10_000, 262_144, 8 << 20]) {
      it(`keeps to a window of ${windowBytes} bytes with chunks of ${size}`, async () => {
        const { result } = await begin(inPieces(archive, size));
        expect((await agent.takeUpload(windowBytes)).equals(archive)).to.equal(true);
        commit(archive);
        await result;
      });
    }
  }

  it('of nothing sends an END of nothing', async () => {
    const { result } = await begin(Readable.from([Buffer.alloc(0)]));
    expect((await agent.takeUpload(1000)).length).to.equal(0);
    commit(Buffer.alloc(0));
    expect((await result).bytes).to.equal(0);
  });

  it('takes no more of the source than the window and a frame while the agent gives no credit', async () => {
    let given = 0;
    const { result } = await begin(
      (async function* () {
        for (; given < 100; given += 1) yield randomBytes(65_536);
      })(),
    );
    agent.say(wireWindow(0, 0, 300_000));
    await settle();
    await settle();
    expect(given).to.be.within(4, 13);
    agent.lose(new Error('cut'));
    await rejection(result);
  });

  it('holds no more than some frames while the connection takes none', async () => {
    let given = 0;
    const { result } = await begin(
      (async function* () {
        for (; given < 400; given += 1) yield noise.subarray(0, 65_536);
      })(),
    );
    agent.stall();
    agent.say(wireWindow(0, 0, 1 << 30));
    for (let turn = 0; turn < 200; turn += 1) await settle();
    expect(given).to.be.within(8, 60);
    agent.lose(new Error('cut'));
    await rejection(result);
    agent.resume();
  });

  context('whose source fails', () => {
    it('cancels, waits for the answer, and rejects with the same error', async () => {
      const broken = new Error('disk');
      const { result } = await begin(
        (async function* () {
          yield noise;
          throw broken;
        })(),
      );
      agent.say(wireWindow(0, 0, 1 << 20));
      await settle();
      await settle();
      while (agent.frames[0]?.type === 'DATA') await agent.next('DATA');
      await agent.next('CANCEL');
      agent.json('ERROR', { code: 'CANCELLED', message: '' });
      expect(await rejection(result)).to.equal(broken);
      await agent.next('DONE');
      await setup.client.hello();
      expect(setup.agents).to.have.length(1);
    });

    it('does not wait for ever for the answer', async () => {
      const broken = new Error('disk');
      const { result } = await begin(
        Readable.from(
          (async function* () {
            throw broken;
          })() as AsyncIterable<Buffer>,
        ),
      );
      await setup.clock.advance(6_000);
      expect(await rejection(result)).to.equal(broken);
      expect(agent.closed).to.equal(true);
    });

    it('names a source that gives something else than bytes', async () => {
      const { result } = await begin(Readable.from(['text']));
      await setup.clock.advance(6_000);
      expect(await rejection(result))
        .to.be.instanceOf(InvalidSpecError)
        .with.property('field', 'source');
    });
  });

  context('that the agent ends early', () => {
    it('rejects with what it says, and ends a source that gives nothing', async () => {
      const { stream, closed } = source();
      const { result } = await begin(stream);
      stream.write('garbage');
      agent.say(wireWindow(0, 0, 1 << 20));
      await settle();
      agent.json('ERROR', { code: 'CORRUPT_ARCHIVE', message: 'm', entry: 'e' });
      const error = await rejection(result);
      expect(error).to.be.instanceOf(CorruptArchiveError).with.property('entry', 'e');
      await closed;
      expect(stream.errored).to.be.instanceOf(CorruptArchiveError);
      await agent.next('DONE');
      await settle();
      expect(agent.frames).to.deep.equal([]);
    });

    it('ends an iterator with return()', async () => {
      let returned = false;
      const { result } = await begin({
        [Symbol.asyncIterator]: () => ({
          next: () => new Promise<never>(() => undefined),
          return: () => {
            returned = true;
            return Promise.resolve({ done: true as const, value: undefined });
          },
        }),
      });
      await settle();
      agent.json('ERROR', { code: 'DISK_FULL', message: 'm' });
      expect((await rejection(result)).code).to.equal('KW_ERR_DISK_FULL');
      expect(returned).to.equal(true);
    });

    it('before it took it ends the source as well', async () => {
      const { stream, closed } = source();
      const result = rejection(setup.client.receive({ volume: 'v', path: '../..' }, stream));
      ({ agent } = await setup.opened('receive'));
      agent.json('ERROR', { code: 'UNSAFE_PATH', message: 'm' });
      expect((await result).code).to.equal('KW_ERR_UNSAFE_ARCHIVE_PATH');
      await closed;
    });
  });

  context('that is aborted', () => {
    const reason = new Error('stopped');

    async function abort(prepare: (stream: PassThrough) => Promise<void>): Promise<void> {
      const { stream, closed } = source();
      const stop = new AbortController();
      const { result } = await begin(stream, stop.signal);
      await prepare(stream);
      stop.abort(reason);
      await settle();
      while (agent.frames[0]?.type === 'DATA' || agent.frames[0]?.type === 'END') agent.frames.shift();
      await agent.next('CANCEL');
      agent.json('ERROR', { code: 'CANCELLED', message: '' });
      expect(await rejection(result)).to.equal(reason);
      await closed;
      expect(getEventListeners(stop.signal, 'abort')).to.deep.equal([]);
      await agent.next('DONE');
    }

    it('while it waits for the source', async () => {
      await abort(settle);
    });

    it('while it waits for credit', async () => {
      await abort(async (stream) => {
        stream.write(noise);
        await settle();
      });
    });

    it('while it waits for the commit', async () => {
      await abort(async (stream) => {
        agent.say(wireWindow(0, 0, 1000));
        stream.end('a');
        await settle();
      });
    });

    it('before it was opened, the source is ended', async () => {
      const { stream, closed } = source();
      const stop = new AbortController();
      const result = rejection(setup.client.receive({ volume: 'v' }, stream, { signal: stop.signal }));
      await setup.opened('receive');
      stop.abort(reason);
      expect(await result).to.equal(reason);
      await closed;
      expect(getEventListeners(stop.signal, 'abort')).to.deep.equal([]);
    });

    it('too late has its result', async () => {
      const stop = new AbortController();
      const { result } = await begin(Readable.from([Buffer.from('a')]), stop.signal);
      await agent.takeUpload(1000);
      stop.abort(reason);
      await agent.next('CANCEL');
      commit(Buffer.from('a'));
      expect((await result).bytes).to.equal(1);
    });
  });

  context('that stands still', () => {
    for (const windowBytes of [0, 1 << 20]) {
      it(`because its source pauses for hours goes on, with a window of ${windowBytes} bytes`, async () => {
        const { stream } = source();
        const { result } = await begin(stream);
        if (windowBytes > 0) agent.say(wireWindow(0, 0, windowBytes));
        await setup.clock.advance(10_000_000);
        stream.write(noise.subarray(0, 200_000));
        await settle();
        await setup.clock.advance(windowBytes > 0 ? 10_000_000 : 100_000);
        stream.end(noise.subarray(200_000));
        expect((await agent.takeUpload(Math.max(windowBytes, 1 << 20))).equals(noise)).to.equal(true);
        commit(noise);
        await result;
      });
    }

    it('because the agent gives no room fails after two minutes, and ends its source', async () => {
      const { stream, closed } = source();
      const { result } = await begin(stream);
      await setup.clock.advance(1_000_000);
      let failed = false;
      void result.catch(() => (failed = true));
      stream.write(noise);
      await setup.clock.advance(115_000);
      expect(failed).to.equal(false);
      await setup.clock.advance(40_000);
      const error = await rejection(result);
      expect(error).to.be.instanceOf(TransferStalledError).with.property('waitedMs', 120_000);
      expect(error.message).to.include('the pod');
      await closed;
    });

    it('because the agent does not acknowledge what it owes fails, although its source pauses too', async () => {
      const { stream, closed } = source();
      const { result } = await begin(stream);
      agent.say(wireWindow(0, 0, 1 << 20));
      stream.write(noise.subarray(0, 600_000));
      // Frames are compressed on other threads: the acknowledgement is owed once they have left.
      await agent.next('DATA');
      await agent.next('DATA');
      await setup.clock.advance(140_000);
      expect(await rejection(result)).to.be.instanceOf(TransferStalledError);
      await closed;
    });

    it('because the pod that it comes from is silent fails with what that one says, and does not count itself', async () => {
      const producer = new ScriptedClient();
      const moving = rejection(
        setup.client.receiveFrom({ volume: 'v' }, { client: producer.client, spec: { volume: 'from' } }),
      );
      const { agent: from } = await producer.opened('send');
      from.json('OPENED', { from: 0, kind: 'directory' });
      ({ agent } = await setup.opened('receive'));
      agent.json('OPENED', { from: 0 });
      agent.say(wireWindow(0, 0, 1 << 20));
      await setup.clock.advance(1_000_000);
      await producer.clock.advance(140_000);
      await agent.next('CANCEL');
      agent.json('ERROR', { code: 'CANCELLED', message: '' });
      const error = await moving;
      expect(error).to.be.instanceOf(TransferStalledError).and.to.include({ direction: 'out', handle: 'from' });
      producer.client.close();
      await settle();
    });

    it('because the agent does not answer END fails', async () => {
      const { result } = await begin(Readable.from([noise]));
      await agent.takeUpload(1 << 20);
      await setup.clock.advance(140_000);
      expect(await rejection(result)).to.be.instanceOf(TransferStalledError);
    });

    it('but whose commit goes on is waited for', async () => {
      const { result } = await begin(Readable.from([Buffer.from('a')]));
      await agent.takeUpload(1000);
      for (let turn = 0; turn < 10; turn += 1) {
        await setup.clock.advance(50_000);
        agent.json('PROGRESS', {});
      }
      commit(Buffer.from('a'));
      expect((await result).bytes).to.equal(1);
    });
  });

  context('whose connection', () => {
    it('is lost is lost, with the reason, and how far it was', async () => {
      const { stream, closed } = source();
      const { result } = await begin(stream);
      agent.say(wireWindow(0, 0, 1 << 20));
      stream.write(noise);
      await settle();
      await settle();
      agent.say(wireWindow(0, 262_144, 1 << 20));
      const cut = new Error('cut');
      agent.lose(cut);
      const error = await rejection(result);
      expect(error).to.be.instanceOf(OperationLostError).with.property('cause', cut);
      expect(error).to.include({ handle: 'v', podName: 'pod', direction: 'in', bytes: 262_144 });
      await closed;
    });

    it('says another digest or count is closed: nobody knows what is there', async () => {
      for (const changes of [{ sha256: '00'.repeat(32) }, { bytes: 2 }]) {
        const { result } = await begin(Readable.from([Buffer.from('a')]));
        await agent.takeUpload(1000);
        commit(Buffer.from('a'), changes);
        expect(await rejection(result)).to.be.instanceOf(DigestMismatchError);
        expect(agent.closed).to.equal(true);
      }
    });

    for (const [what, say] of [
      ['a result before the end', () => commit(Buffer.alloc(0))],
      ['bytes', () => agent.say(wireData(1, 0, Buffer.from('a')))],
      ['an acknowledgement of what was not sent', () => agent.say(wireWindow(0, 1, 5))],
      ['a window of another stream', () => agent.say(wireWindow(1, 0, 5))],
      ['a second OPENED', () => agent.json('OPENED', { from: 0 })],
    ] as const) {
      it(`says ${what} is closed`, async () => {
        const { stream, closed } = source();
        const { result } = await begin(stream);
        say();
        expect(await rejection(result)).to.be.instanceOf(ProtocolViolationError);
        expect(agent.closed).to.equal(true);
        await closed;
      });
    }
  });
});
