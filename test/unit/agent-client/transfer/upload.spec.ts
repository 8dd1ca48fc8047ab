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
import { wireData, wireWindow } from '../../../support/agent/agent-wire.ts';
import { rejection } from '../../../support/rejection.ts';
import { type ScriptedAgent, sha256 } from '../../../support/scripted-agent.ts';
import { ScriptedClient } from '../../../support/scripted-client.ts';
import { settle } from '../../../support/virtual-clock.ts';

const noise = randomBytes(700_000);
const archive = Buffer.concat([noise, Buffer.alloc(900_000, 'text that can be compressed ')]);

async function* inPieces(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

describe('Upload', () => {
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

  /** Begins an upload. Returns the promise in an object, so that it is not awaited. */
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

  /** Returns a source that the test writes to, and a promise of its end. */
  function source(): { readonly stream: PassThrough; readonly closed: Promise<unknown> } {
    const stream = new PassThrough();
    return { stream, closed: new Promise((resolve) => stream.once('close', resolve)) };
  }

  it('sends its specification, and resolves with the result on which both ends agree', async () => {
    const { result } = await begin(Readable.from([archive]));
    expect(open).to.deep.include({ volume: 'v', path: 'a/b', expandedLimitBytes: 9, set: 'error' });
    expect((await agent.receiveUpload(1 << 20)).equals(archive)).to.equal(true);
    commit(archive);
    expect(await result).to.deep.equal({
      bytes: archive.length,
      sha256: sha256(archive).toString('hex'),
      entries: 2,
      expandedBytes: 3,
    });
    await agent.next('DONE');
  });

  it('reports the bytes that the agent has processed, in its steps', async () => {
    const reports: number[] = [];
    const received = (rawBytes: number): void => void reports.push(rawBytes);
    const result = setup.client.receive({ volume: 'v' }, Readable.from([noise]), { received });
    ({ agent } = await setup.opened('receive'));
    agent.json('OPENED', { from: 0 });
    await agent.receiveUpload(1 << 20, 262_144);
    commit(noise);
    await result;
    expect(reports).to.deep.equal([262_144, 524_288]);
  });

  for (const [protocol, flags] of [
    [2, 0],
    [3, 8],
  ] as const) {
    it(`sends END with flags ${flags} to an agent of version ${protocol} if the encoding has proven its end`, async () => {
      setup.onConnect = (connected) => connected.hello({ protocol: [1, protocol] });
      const result = setup.client.receive({ volume: 'v' }, Readable.from([noise]), { isProven: () => true });
      ({ agent, open } = await setup.opened('receive'));
      agent.json('OPENED', { from: 0 });
      agent.send(wireWindow(0, 0, 1 << 20));
      while ((await agent.peek()) === 'DATA') await agent.next('DATA');
      expect((await agent.next('END')).flags).to.equal(flags);
      commit(noise);
      await result;
    });
  }

  for (const size of [1_000, 65_536, 262_144, 1_600_000]) {
    for (const windowBytes of [10_000, 262_144, 8 << 20]) {
      it(`keeps to a window of ${windowBytes} bytes with chunks of ${size} bytes`, async () => {
        const { result } = await begin(inPieces(archive, size));
        expect((await agent.receiveUpload(windowBytes)).equals(archive)).to.equal(true);
        commit(archive);
        await result;
      });
    }
  }

  it('sends an END of 0 bytes for an empty source', async () => {
    const { result } = await begin(Readable.from([Buffer.alloc(0)]));
    expect((await agent.receiveUpload(1000)).length).to.equal(0);
    commit(Buffer.alloc(0));
    expect((await result).bytes).to.equal(0);
  });

  it('reads no more of the source than the window and a frame without credit', async () => {
    let yielded = 0;
    const { result } = await begin(
      (async function* () {
        for (; yielded < 100; yielded += 1) yield randomBytes(65_536);
      })(),
    );
    agent.send(wireWindow(0, 0, 300_000));
    // Frames are compressed on other threads.
    await agent.next('DATA');
    await settle();
    await settle();
    expect(yielded).to.be.within(4, 13);
    agent.lose(new Error('cut'));
    await rejection(result);
  });

  it('holds only a few frames while the connection accepts none', async () => {
    let yielded = 0;
    const { result } = await begin(
      (async function* () {
        for (; yielded < 400; yielded += 1) yield noise.subarray(0, 65_536);
      })(),
    );
    agent.stall();
    agent.send(wireWindow(0, 0, 1 << 30));
    while (yielded < 8) await settle();
    for (let turn = 0; turn < 200; turn += 1) await settle();
    expect(yielded).to.be.at.most(60);
    agent.lose(new Error('cut'));
    await rejection(result);
    agent.resume();
  });

  context('when its source fails', () => {
    it('cancels, waits for the answer, and rejects with the error of the source', async () => {
      const broken = new Error('disk');
      const { result } = await begin(
        (async function* () {
          yield noise;
          throw broken;
        })(),
      );
      agent.send(wireWindow(0, 0, 1 << 20));
      await agent.nextAfterData('CANCEL');
      agent.json('ERROR', { code: 'CANCELLED', message: '' });
      expect(await rejection(result)).to.equal(broken);
      await agent.next('DONE');
      await setup.client.hello();
      expect(setup.agents).to.have.length(1);
    });

    it('stops waiting for the answer after a timeout', async () => {
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

    it('rejects a source of values that are not bytes', async () => {
      const { result } = await begin(Readable.from(['text']));
      await setup.clock.advance(6_000);
      expect(await rejection(result))
        .to.be.instanceOf(InvalidSpecError)
        .with.property('field', 'source');
    });
  });

  context('when the agent ends it early', () => {
    it('rejects with the mapped error, and ends a pausing source', async () => {
      const { stream, closed } = source();
      const { result } = await begin(stream);
      stream.write('garbage');
      agent.send(wireWindow(0, 0, 1 << 20));
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

    it('ends the source for an error before OPENED', async () => {
      const { stream, closed } = source();
      const result = rejection(setup.client.receive({ volume: 'v', path: '..' }, stream));
      ({ agent } = await setup.opened('receive'));
      agent.json('ERROR', { code: 'UNSAFE_PATH', message: 'm' });
      expect((await result).code).to.equal('KW_ERR_UNSAFE_ARCHIVE_PATH');
      await closed;
    });
  });

  context('when it is aborted', () => {
    const reason = new Error('stopped');

    async function abort(prepare: (stream: PassThrough) => Promise<void>): Promise<void> {
      const { stream, closed } = source();
      const stop = new AbortController();
      const { result } = await begin(stream, stop.signal);
      await prepare(stream);
      stop.abort(reason);
      await agent.nextAfterData('CANCEL');
      agent.json('ERROR', { code: 'CANCELLED', message: '' });
      expect(await rejection(result)).to.equal(reason);
      await closed;
      expect(getEventListeners(stop.signal, 'abort')).to.deep.equal([]);
      await agent.next('DONE');
    }

    it('cancels while it waits for the source', async () => {
      await abort(settle);
    });

    it('cancels while it waits for credit', async () => {
      await abort(async (stream) => {
        stream.write(noise);
        await settle();
      });
    });

    it('cancels while it waits for the commit', async () => {
      await abort(async (stream) => {
        agent.send(wireWindow(0, 0, 1000));
        stream.end('a');
        await settle();
      });
    });

    it('ends the source before OPENED', async () => {
      const { stream, closed } = source();
      const stop = new AbortController();
      const result = rejection(setup.client.receive({ volume: 'v' }, stream, { signal: stop.signal }));
      await setup.opened('receive');
      stop.abort(reason);
      expect(await result).to.equal(reason);
      await closed;
      expect(getEventListeners(stop.signal, 'abort')).to.deep.equal([]);
    });

    it('resolves if the result arrives in spite of the abort', async () => {
      const stop = new AbortController();
      const { result } = await begin(Readable.from([Buffer.from('a')]), stop.signal);
      await agent.receiveUpload(1000);
      stop.abort(reason);
      await agent.next('CANCEL');
      commit(Buffer.from('a'));
      expect((await result).bytes).to.equal(1);
    });
  });

  context('when it makes no progress', () => {
    for (const windowBytes of [0, 1 << 20]) {
      it(`continues after its source has paused for hours, with a window of ${windowBytes} bytes`, async () => {
        const { stream } = source();
        const { result } = await begin(stream);
        if (windowBytes > 0) agent.send(wireWindow(0, 0, windowBytes));
        await setup.clock.advance(10_000_000);
        stream.write(noise.subarray(0, 200_000));
        await settle();
        await setup.clock.advance(windowBytes > 0 ? 10_000_000 : 100_000);
        stream.end(noise.subarray(200_000));
        expect((await agent.receiveUpload(Math.max(windowBytes, 1 << 20))).equals(noise)).to.equal(true);
        commit(noise);
        await result;
      });
    }

    it('fails after two minutes without credit, and ends its source', async () => {
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

    it('fails if a due acknowledgement is missing, although its source pauses as well', async () => {
      const { stream, closed } = source();
      const { result } = await begin(stream);
      agent.send(wireWindow(0, 0, 1 << 20));
      stream.write(noise.subarray(0, 600_000));
      // Frames are compressed on other threads: the acknowledgement is due once they were sent.
      await agent.next('DATA');
      await agent.next('DATA');
      await setup.clock.advance(140_000);
      expect(await rejection(result)).to.be.instanceOf(TransferStalledError);
      await closed;
    });

    it('fails with the error of a silent source pod, without a timeout of its own', async () => {
      const producer = new ScriptedClient();
      const moving = rejection(
        setup.client.receiveFrom({ volume: 'v' }, { client: producer.client, spec: { volume: 'from' } }),
      );
      const { agent: from } = await producer.opened('send');
      from.json('OPENED', { from: 0, kind: 'directory' });
      ({ agent } = await setup.opened('receive'));
      agent.json('OPENED', { from: 0 });
      agent.send(wireWindow(0, 0, 1 << 20));
      await setup.clock.advance(1_000_000);
      await producer.clock.advance(140_000);
      await agent.next('CANCEL');
      agent.json('ERROR', { code: 'CANCELLED', message: '' });
      const error = await moving;
      expect(error).to.be.instanceOf(TransferStalledError).and.to.include({ direction: 'out', handle: 'from' });
      producer.client.close();
      await settle();
    });

    it('fails if the agent does not answer END', async () => {
      const { result } = await begin(Readable.from([noise]));
      await agent.receiveUpload(1 << 20);
      await setup.clock.advance(140_000);
      expect(await rejection(result)).to.be.instanceOf(TransferStalledError);
    });

    it('waits for a commit that reports progress', async () => {
      const { result } = await begin(Readable.from([Buffer.from('a')]));
      await agent.receiveUpload(1000);
      for (let turn = 0; turn < 10; turn += 1) {
        await setup.clock.advance(50_000);
        agent.json('PROGRESS', {});
      }
      commit(Buffer.from('a'));
      expect((await result).bytes).to.equal(1);
    });
  });

  context('when the connection fails', () => {
    it('rejects with the reason of a lost connection and the acknowledged bytes', async () => {
      const { stream, closed } = source();
      const { result } = await begin(stream);
      agent.send(wireWindow(0, 0, 1 << 20));
      stream.write(noise);
      // Frames are compressed on other threads.
      await agent.next('DATA');
      agent.send(wireWindow(0, 262_144, 1 << 20));
      const cut = new Error('cut');
      agent.lose(cut);
      const error = await rejection(result);
      expect(error).to.be.instanceOf(OperationLostError).with.property('cause', cut);
      expect(error).to.include({ handle: 'v', podName: 'pod', direction: 'in', bytes: 262_144 });
      await closed;
    });

    it('closes the connection for a RESULT with another digest or count', async () => {
      for (const changes of [{ sha256: '00'.repeat(32) }, { bytes: 2 }]) {
        const { result } = await begin(Readable.from([Buffer.from('a')]));
        await agent.receiveUpload(1000);
        commit(Buffer.from('a'), changes);
        expect(await rejection(result)).to.be.instanceOf(DigestMismatchError);
        expect(agent.closed).to.equal(true);
      }
    });

    for (const [what, send] of [
      ['a RESULT before END', () => commit(Buffer.alloc(0))],
      ['DATA', () => agent.send(wireData(1, 0, Buffer.from('a')))],
      ['an acknowledgement of bytes that were not sent', () => agent.send(wireWindow(0, 1, 5))],
      ['a WINDOW of another stream', () => agent.send(wireWindow(1, 0, 5))],
      ['a second OPENED', () => agent.json('OPENED', { from: 0 })],
    ] as const) {
      it(`closes the connection for ${what}`, async () => {
        const { stream, closed } = source();
        const { result } = await begin(stream);
        send();
        expect(await rejection(result)).to.be.instanceOf(ProtocolViolationError);
        expect(agent.closed).to.equal(true);
        await closed;
      });
    }
  });
});
