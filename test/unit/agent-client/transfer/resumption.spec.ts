import { randomBytes } from 'node:crypto';
import { getEventListeners } from 'node:events';
import { PassThrough, Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';

import { expect } from 'chai';
import fc from 'fast-check';

import {
  ExecConnectionLostError,
  ExecHandshakeFailedError,
  ProtocolViolationError,
} from '../../../../src/errors/connection.ts';
import { OutcomeUnknownError } from '../../../../src/errors/process.ts';
import { OperationLostError } from '../../../../src/errors/transfer.ts';
import { readData, readWindow, wireData, wireEnd, wireWindow } from '../../../support/agent/agent-wire.ts';
import { rejection } from '../../../support/rejection.ts';
import { type ScriptedAgent, sha256 } from '../../../support/scripted-agent.ts';
import { ScriptedClient } from '../../../support/scripted-client.ts';
import { settle } from '../../../support/virtual-clock.ts';

const cut = new ExecConnectionLostError('cut', { bytesReceived: 0, bytesSent: 0 });
const noise = randomBytes(600_000);

describe('a transfer that resumes over another connection', () => {
  let setup: ScriptedClient;

  beforeEach(() => {
    setup = new ScriptedClient();
    setup.onConnect = (agent) => agent.hello({ protocol: [1, 2] });
  });

  afterEach(async () => {
    setup.client.close();
    await settle();
    expect(setup.clock.sleeping, 'timers left').to.equal(0);
  });

  /** Waits until the operation is opened on the next connection. */
  async function next(op: string): Promise<{ agent: ScriptedAgent; open: Record<string, unknown> }> {
    const before = setup.agents.length;
    for (let turn = 0; setup.agents.length === before && turn < 100; turn += 1) await setup.clock.advance(100);
    return await setup.opened(op);
  }

  /** Takes the next DATA frames, with their offsets. */
  async function take(
    agent: ScriptedAgent,
    count: number,
  ): Promise<{ readonly offset: number; readonly bytes: Buffer }[]> {
    const frames = [];
    for (let index = 0; index < count; index += 1) {
      const { offset, bytes } = readData(await agent.next('DATA'));
      frames.push({ offset, bytes });
    }
    return frames;
  }

  function commit(agent: ScriptedAgent, bytes: Buffer): void {
    agent.json('RESULT', { bytes: bytes.length, sha256: sha256(bytes).toString('hex'), entries: 1, expandedBytes: 1 });
  }

  context('when it is an upload', () => {
    it('requests a lease, and sends its attempt and whether it resumes', async () => {
      const result = setup.client.receive({ volume: 'v' }, Readable.from([noise]));
      const first = await setup.opened('receive');
      expect(first.open).to.include({ attempt: 1, resume: false, leaseMs: 900_000 });
      first.agent.json('OPENED', { from: 0, ended: false });
      first.agent.lose(cut);
      const second = await next('receive');
      expect(second.open).to.include({ id: first.open['id'], attempt: 2, resume: true, volume: 'v' });
      second.agent.json('OPENED', { from: 0, ended: false });
      expect((await second.agent.receiveUpload(1 << 20)).equals(noise)).to.equal(true);
      commit(second.agent, noise);
      expect((await result).bytes).to.equal(noise.length);
    });

    it('sends again from the offset of the agent', async () => {
      const result = setup.client.receive({ volume: 'v' }, Readable.from([noise]));
      const first = await setup.opened('receive');
      first.agent.json('OPENED', { from: 0, ended: false });
      first.agent.send(wireWindow(0, 0, 1 << 20));
      expect((await take(first.agent, 3)).map(({ offset }) => offset)).to.deep.equal([0, 262_144, 524_288]);
      first.agent.send(wireWindow(0, 262_144, 2 << 20));
      first.agent.lose(cut);
      const second = await next('receive');
      second.agent.json('OPENED', { from: 524_288, ended: false });
      second.agent.send(wireWindow(0, 524_288, 2 << 20));
      const [rest] = await take(second.agent, 1);
      expect(rest?.offset).to.equal(524_288);
      expect(rest?.bytes.equals(noise.subarray(524_288))).to.equal(true);
      await second.agent.next('END');
      commit(second.agent, noise);
      await result;
    });

    for (const from of [100_000, 262_144, 1 << 30]) {
      it(`rejects with a protocol violation if the agent resumes at ${from}`, async () => {
        const result = rejection(setup.client.receive({ volume: 'v' }, Readable.from([noise])));
        const first = await setup.opened('receive');
        first.agent.json('OPENED', { from: 0, ended: false });
        first.agent.send(wireWindow(0, 0, 1 << 20));
        await take(first.agent, 3);
        first.agent.send(wireWindow(0, 524_288, 1 << 20));
        first.agent.lose(cut);
        const second = await next('receive');
        second.agent.json('OPENED', { from, ended: false });
        expect(await result).to.be.instanceOf(ProtocolViolationError);
        await setup.clock.advance(10_000);
      });
    }

    it('only waits for the outcome if the agent has END', async () => {
      const result = setup.client.receive({ volume: 'v' }, Readable.from([noise]));
      const first = await setup.opened('receive');
      first.agent.json('OPENED', { from: 0, ended: false });
      await first.agent.receiveUpload(1 << 20);
      first.agent.lose(cut);
      const second = await next('receive');
      second.agent.json('OPENED', { from: noise.length, ended: true });
      await settle();
      expect(second.agent.frames).to.deep.equal([]);
      commit(second.agent, noise);
      expect((await result).bytes).to.equal(noise.length);
    });

    it('accepts a stored RESULT in place of OPENED', async () => {
      const result = setup.client.receive({ volume: 'v' }, Readable.from([noise]));
      const first = await setup.opened('receive');
      first.agent.json('OPENED', { from: 0, ended: false });
      await first.agent.receiveUpload(1 << 20);
      first.agent.lose(cut);
      const second = await next('receive');
      commit(second.agent, noise);
      expect((await result).bytes).to.equal(noise.length);
    });

    it('rejects with OperationLostError if the agent has lost it and bytes were discarded', async () => {
      const result = rejection(setup.client.receive({ volume: 'v' }, Readable.from([noise])));
      const first = await setup.opened('receive');
      first.agent.json('OPENED', { from: 0, ended: false });
      first.agent.send(wireWindow(0, 0, 1 << 20));
      await take(first.agent, 3);
      first.agent.send(wireWindow(0, 262_144, 1 << 20));
      first.agent.lose(cut);
      const second = await next('receive');
      second.agent.json('ERROR', { code: 'OPERATION_GONE', message: 'restarted' });
      expect(await result).to.be.instanceOf(OperationLostError);
    });

    it('restarts if the agent has lost it and no byte was discarded', async () => {
      const result = setup.client.receive({ volume: 'v' }, Readable.from([noise]));
      const first = await setup.opened('receive');
      first.agent.json('OPENED', { from: 0, ended: false });
      first.agent.send(wireWindow(0, 0, 1 << 20));
      await take(first.agent, 3);
      first.agent.lose(cut);
      const second = await next('receive');
      second.agent.json('ERROR', { code: 'OPERATION_GONE', message: 'restarted' });
      await second.agent.next('DONE');
      const open = await second.agent.nextJson('OPEN');
      expect(open).to.include({ id: first.open['id'], attempt: 3, resume: false });
      second.agent.json('OPENED', { from: 0, ended: false });
      expect((await second.agent.receiveUpload(1 << 20)).equals(noise)).to.equal(true);
      commit(second.agent, noise);
      await result;
    });

    it('rejects with OutcomeUnknownError if everything was sent and the agent cannot be reached', async () => {
      const result = rejection(setup.client.receive({ volume: 'v' }, Readable.from([noise])));
      const { agent } = await setup.opened('receive');
      agent.json('OPENED', { from: 0, ended: false });
      await agent.receiveUpload(1 << 20);
      setup.onConnect = () => {
        throw new ExecHandshakeFailedError('refused', { retryable: true });
      };
      agent.lose(cut);
      await setup.clock.advance(310_000);
      const error = await result;
      expect(error).to.be.instanceOf(OutcomeUnknownError);
      expect(error.message).to.include('upload to volume v in pod pod').and.include('refused');
    });

    it('rejects at once with an error that is not retryable', async () => {
      const result = rejection(setup.client.receive({ volume: 'v' }, new PassThrough()));
      const { agent } = await setup.opened('receive');
      agent.json('OPENED', { from: 0, ended: false });
      await settle();
      const gone = new ExecHandshakeFailedError('pods "x" not found', { status: 404, retryable: false });
      setup.onConnect = () => {
        throw gone;
      };
      agent.lose(cut);
      expect(await result)
        .to.be.instanceOf(OperationLostError)
        .with.property('cause', gone);
    });

    it('does not stall while it has no connection', async () => {
      const source = new PassThrough();
      const result = setup.client.receive({ volume: 'v' }, source);
      const { agent } = await setup.opened('receive');
      agent.json('OPENED', { from: 0, ended: false });
      await settle();
      setup.onConnect = () => {
        throw new ExecHandshakeFailedError('refused', { retryable: true });
      };
      agent.lose(cut);
      await setup.clock.advance(200_000);
      setup.onConnect = (again) => again.hello({ protocol: [1, 2] });
      const second = await next('receive');
      second.agent.json('OPENED', { from: 0, ended: false });
      source.end(noise);
      expect((await second.agent.receiveUpload(1 << 20)).equals(noise)).to.equal(true);
      commit(second.agent, noise);
      await result;
    });

    it('ends in the pod as well when it is aborted without a connection', async () => {
      const stop = new AbortController();
      const reason = new Error('stopped');
      const source = new PassThrough();
      const closed = new Promise((resolve) => source.once('close', resolve));
      const result = rejection(setup.client.receive({ volume: 'v' }, source, { signal: stop.signal }));
      const { agent, open } = await setup.opened('receive');
      agent.json('OPENED', { from: 0, ended: false });
      await settle();
      let connects = true;
      setup.onConnect = (again) => {
        if (!connects) throw new ExecHandshakeFailedError('refused', { retryable: true });
        again.hello({ protocol: [1, 2] });
      };
      connects = false;
      agent.lose(cut);
      await settle();
      connects = true;
      stop.abort(reason);
      const removal = await setup.opened('remove');
      expect(removal.open).to.include({ operation: open['id'] });
      removal.agent.json('RESULT', {});
      expect(await result).to.equal(reason);
      await closed;
      expect(getEventListeners(stop.signal, 'abort')).to.deep.equal([]);
    });

    it('is lost with its connection if the agent cannot keep operations', async () => {
      setup.onConnect = (agent) => agent.hello();
      const result = rejection(setup.client.receive({ volume: 'v' }, new PassThrough()));
      const { agent, open } = await setup.opened('receive');
      expect(open).not.to.have.any.keys('leaseMs', 'resume');
      agent.json('OPENED', { from: 0 });
      await settle();
      agent.lose(cut);
      expect(await result).to.be.instanceOf(OperationLostError);
    });

    it('arrives whole for any chunks, cuts and positions of the agent', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.integer({ min: 1, max: 150_000 }), { minLength: 1, maxLength: 12 }),
          fc.array(fc.record({ frames: fc.nat({ max: 4 }), acknowledged: fc.nat({ max: 4 }) }), { maxLength: 5 }),
          async (chunks, cuts) => {
            setup = new ScriptedClient();
            setup.onConnect = (agent) => agent.hello({ protocol: [1, 2] });
            const bytes = randomBytes(chunks.reduce((sum, size) => sum + size, 0));
            let at = 0;
            const result = setup.client.receive(
              { volume: 'v' },
              Readable.from(chunks.map((size) => bytes.subarray(at, (at += size)))),
            );
            const ends = [0];
            const held: Buffer[] = [];
            let known = 0;
            for (const { frames, acknowledged } of cuts) {
              const { agent } = await (setup.agents.length === 0 ? setup.opened('receive') : next('receive'));
              agent.json('OPENED', { from: ends.at(-1), ended: false });
              agent.send(wireWindow(0, known, 16 << 20));
              for (let index = 0; index < frames; index += 1) {
                for (let turn = 0; turn < 20 && agent.frames.length === 0; turn += 1) await settle();
                if (agent.frames[0]?.type !== 'DATA') break;
                const frame = readData(await agent.next('DATA'));
                expect(frame.offset).to.equal(ends.at(-1));
                ends.push(frame.offset + frame.bytes.length);
                held.push(frame.bytes);
              }
              known = Math.max(known, ends[Math.max(0, ends.length - 1 - acknowledged)] ?? 0);
              agent.send(wireWindow(0, known, 16 << 20));
              agent.lose(cut);
            }
            const { agent } = await (setup.agents.length === 0 ? setup.opened('receive') : next('receive'));
            agent.json('OPENED', { from: ends.at(-1), ended: false });
            agent.send(wireWindow(0, known, 16 << 20));
            for (;;) {
              if ((await agent.peek()) === 'END') break;
              const frame = readData(await agent.next('DATA'));
              expect(frame.offset).to.equal(ends.at(-1));
              ends.push(frame.offset + frame.bytes.length);
              held.push(frame.bytes);
            }
            expect(Buffer.concat(held).equals(bytes)).to.equal(true);
            commit(agent, bytes);
            expect((await result).bytes).to.equal(bytes.length);
            setup.client.close();
          },
        ),
        { numRuns: 40 },
      );
    });
  });

  context('when it is a download', () => {
    async function begin(): Promise<{ readable: Readable; agent: ScriptedAgent; open: Record<string, unknown> }> {
      const sending = setup.client.send({ volume: 'v' });
      const { agent, open } = await setup.opened('send');
      agent.json('OPENED', { from: 0, kind: 'directory' });
      return { readable: (await sending).readable, agent, open };
    }

    function finish(agent: ScriptedAgent, bytes: Buffer): void {
      agent.json('RESULT', { bytes: bytes.length, sha256: sha256(bytes).toString('hex'), entries: 1 });
    }

    it('resumes at the last received byte, also inside a frame, and repeats its WINDOW', async () => {
      const { readable, agent, open } = await begin();
      const reading = buffer(readable);
      const frame = wireData(1, 0, noise.subarray(0, 200_000));
      agent.send(frame.subarray(0, 100_024));
      await settle();
      agent.lose(cut);
      const second = await next('send');
      expect(second.open).to.include({ id: open['id'], attempt: 2, resume: true, from: 100_000 });
      second.agent.json('OPENED', { from: 100_000, kind: 'directory' });
      expect(readWindow(await second.agent.next('WINDOW')).limit).to.equal(6 << 20);
      for (let at = 100_000; at < noise.length; at += 100_000)
        second.agent.data(1, at, noise.subarray(at, at + 100_000));
      second.agent.send(wireEnd(1, noise.length, sha256(noise)));
      finish(second.agent, noise);
      expect((await reading).equals(noise)).to.equal(true);
    });

    it('accepts a repeated END before the missing RESULT', async () => {
      const { readable, agent } = await begin();
      const reading = buffer(readable);
      agent.send(wireData(1, 0, Buffer.from('abc')), wireEnd(1, 3, sha256(Buffer.from('abc'))));
      agent.lose(cut);
      const second = await next('send');
      expect(second.open).to.include({ from: 3 });
      second.agent.json('OPENED', { from: 3, kind: 'directory' });
      second.agent.send(wireEnd(1, 3, sha256(Buffer.from('abc'))));
      finish(second.agent, Buffer.from('abc'));
      expect((await reading).toString()).to.equal('abc');
    });

    it('rejects with a protocol violation if the agent resumes elsewhere', async () => {
      const { readable, agent } = await begin();
      const reading = rejection(buffer(readable));
      agent.send(wireData(1, 0, Buffer.from('abc')));
      agent.lose(cut);
      const second = await next('send');
      second.agent.json('OPENED', { from: 2, kind: 'directory' });
      expect(await reading).to.be.instanceOf(ProtocolViolationError);
      await setup.clock.advance(10_000);
    });

    it('rejects with the last error when the retry budget is spent', async () => {
      const { readable, agent } = await begin();
      const reading = rejection(buffer(readable));
      agent.send(wireData(1, 0, Buffer.from('abc')));
      await settle();
      const refused = new ExecHandshakeFailedError('refused', { retryable: true });
      let tries = 0;
      setup.onConnect = () => {
        tries += 1;
        throw refused;
      };
      agent.lose(cut);
      await setup.clock.advance(290_000);
      expect(readable.errored).to.equal(null);
      await setup.clock.advance(20_000);
      expect(await reading)
        .to.be.instanceOf(OperationLostError)
        .with.property('cause', refused);
      expect(tries).to.be.within(50, 150);
    });

    it('ends in the pod as well if DONE is unconfirmed', async () => {
      const { readable, agent, open } = await begin();
      const reading = buffer(readable);
      agent.answersPings = false;
      agent.send(wireData(1, 0, Buffer.from('abc')), wireEnd(1, 3, sha256(Buffer.from('abc'))));
      finish(agent, Buffer.from('abc'));
      expect((await reading).toString()).to.equal('abc');
      agent.lose(cut);
      const removal = await setup.opened('remove');
      expect(removal.open).to.include({ operation: open['id'] });
      removal.agent.json('RESULT', {});
      await settle();
    });

    it('ends in the pod if the connection for the removal is lost as well', async () => {
      const { readable, agent, open } = await begin();
      await settle();
      readable.destroy();
      agent.lose(cut);
      await settle();
      const first = await setup.opened('remove');
      first.agent.lose(cut);
      await setup.clock.advance(200);
      const second = await setup.opened('remove');
      expect(second.open).to.include({ operation: open['id'] });
      expect(second.agent).not.to.equal(first.agent);
      second.agent.json('RESULT', {});
      await settle();
    });

    it('retries its removal in the pod until the client is closed', async () => {
      const { readable, agent, open } = await begin();
      await settle();
      agent.lose(new ProtocolViolationError('nonsense'));
      expect(await rejection(buffer(readable))).to.be.instanceOf(ProtocolViolationError);
      (await setup.opened('remove')).agent.lose(cut);
      for (let turn = 0; turn < 3; turn += 1) {
        const removal = await next('remove');
        expect(removal.open).to.include({ operation: open['id'] });
        removal.agent.lose(cut);
      }
    });

    it('ends in the pod as well when its reader stops without a connection', async () => {
      const { readable, agent, open } = await begin();
      await settle();
      setup.onConnect = () => {
        throw new ExecHandshakeFailedError('refused', { retryable: true });
      };
      agent.lose(cut);
      await settle();
      setup.onConnect = (again) => again.hello({ protocol: [1, 2] });
      readable.destroy();
      const removal = await setup.opened('remove');
      expect(removal.open).to.include({ operation: open['id'] });
      removal.agent.json('RESULT', {});
      await settle();
    });
  });
});
