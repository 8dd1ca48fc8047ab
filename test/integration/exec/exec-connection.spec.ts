import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';

import type { ByteConnection } from '../../../src/agent-client/session/byte-connection.ts';
import { ClosedError } from '../../../src/errors/caller.ts';
import {
  ExecConnectionLostError,
  ExecHandshakeFailedError,
  HeartbeatTimeoutError,
  ProtocolViolationError,
} from '../../../src/errors/connection.ts';
import type { ExecConnection } from '../../../src/exec/exec-connection.ts';
import { openExec } from '../../../src/exec/open-exec.ts';
import { maxStdinBytes } from '../../../src/exec/stdin-frames.ts';
import { ScriptedApiServer } from '../../support/api-server.ts';
import type { ExecPeer } from '../../support/exec-peer.ts';
import { rejection } from '../../support/rejection.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';
import { opcodes } from '../../support/websocket-frames.ts';

const success = { metadata: {}, status: 'Success' };

function exitCode(code: number): object {
  return {
    status: 'Failure',
    reason: 'NonZeroExitCode',
    details: { causes: [{ reason: 'ExitCode', message: String(code) }] },
  };
}

describe('ExecConnection', () => {
  let server: ScriptedApiServer;
  let clock: VirtualClock;
  let peer: ExecPeer;
  let connection: ExecConnection;
  let received: Buffer[];
  let ends: Error[];
  let ended: Promise<Error>;

  beforeEach(async () => {
    server = await ScriptedApiServer.start();
    clock = new VirtualClock();
    const accepted = Promise.withResolvers<ExecPeer>();
    server.exec = (arrived) => accepted.resolve(arrived.accept());
    connection = await openExec(server.execEndpoint(), { clock });
    peer = await accepted.promise;
    received = [];
    ends = [];
  });

  afterEach(async () => {
    connection.close();
    await server.close();
  });

  function start(): ByteConnection {
    const { promise, resolve } = Promise.withResolvers<Error>();
    ended = promise;
    const bytes: ByteConnection = connection;
    bytes.start({
      data: (chunk) => received.push(Buffer.from(chunk)),
      end: (reason) => {
        ends.push(reason);
        resolve(reason);
      },
    });
    return bytes;
  }

  function text(): string {
    return Buffer.concat(received).toString();
  }

  describe('data from the server', () => {
    it('is delivered unchanged, however the messages are cut', async () => {
      start();
      peer
        .send(1)
        .send(1, 'hel')
        .send(1, 'lo')
        .sendFrame(opcodes.binary, Buffer.from('\u0001 wor'), false)
        .sendFrame(opcodes.continuation, Buffer.from('ld'));
      peer.sendStatus(success).close();
      await ended;
      expect(text()).to.equal('hello world');
      expect(connection.bytesReceived).to.equal(11);
    });

    it('is not lost before the start', async () => {
      peer.send(1, 'early').sendStatus(exitCode(3)).close();
      await sleep(50);
      start();
      expect(text()).to.equal('early');
      expect((await ended).message).to.contain('exit code 3');
    });

    it('is ignored if it has no meaning: texts, empty messages, unknown channels, a CLOSE of the server', async () => {
      start();
      peer
        .sendFrame(opcodes.text, Buffer.from('\u0001text'))
        .sendFrame(opcodes.binary, Buffer.alloc(0))
        .send(7, 'what')
        .send(255, '\u0001')
        .send(0, 'stdin?')
        .send(1, 'fine');
      peer.sendStatus(success).close();
      expect(await ended).to.be.instanceOf(ExecConnectionLostError);
      expect(text()).to.equal('fine');
    });

    it('on stderr is kept for diagnostics: the last 8 KiB', async () => {
      start();
      peer.send(2, 'x'.repeat(20_000)).send(2, 'the end').sendStatus(exitCode(1)).close();
      const reason = await ended;
      expect(connection.stderrTail).to.have.length(8192);
      expect(reason.message).to.match(/exit code 1; its stderr ends with: x+the end$/);
      expect(received).to.have.length(0);
    });
  });

  describe('a write', () => {
    it('arrives byte for byte in masked, complete messages of one frame each', async () => {
      const bytes = start();
      const payload = Buffer.alloc(3 * maxStdinBytes + 5, 'abcdefg');
      await bytes.write([payload.subarray(0, 10), payload.subarray(10)]);
      await peer.until(() => peer.stdin.length === payload.length);
      expect(peer.stdin.equals(payload)).to.equal(true);
      expect(peer.stdinMessages).to.have.length(4);
      expect(peer.frames.every(({ isFinal, isMasked }) => isFinal && isMasked)).to.equal(true);
      expect(connection.bytesSent).to.equal(payload.length);
    });

    it('keeps the order of concurrent calls', async () => {
      const bytes = start();
      await Promise.all(['one ', 'two ', 'three'].map((word) => bytes.write([Buffer.from(word)])));
      await peer.until(() => peer.stdin.length === 13);
      expect(peer.stdin.toString()).to.equal('one two three');
    });

    it('waits while the other end does not read, and continues when it does', async () => {
      const bytes = start();
      peer.socket.pause();
      let isWritten = false;
      const writing = bytes.write([Buffer.alloc(32 * 1024 * 1024)]).then(() => (isWritten = true));
      await sleep(100);
      expect(isWritten).to.equal(false);
      peer.socket.resume();
      await writing;
      expect(connection.bytesSent).to.equal(32 * 1024 * 1024);
    });

    it('does not block data from the server', async () => {
      const bytes = start();
      peer.socket.pause();
      const writing = rejection(bytes.write([Buffer.alloc(32 * 1024 * 1024)]));
      peer.send(1, 'still here');
      while (text() !== 'still here') await sleep(5);
      connection.close();
      expect(await writing).to.be.instanceOf(ClosedError);
    });

    it('rejects with the reason of the end after the end', async () => {
      const bytes = start();
      peer.close(1011, 'going down');
      const reason = await ended;
      expect(await rejection(bytes.write([Buffer.from('x')]))).to.equal(reason);
    });

    it('sends nothing for no bytes', async () => {
      await start().write([]);
      expect(connection.bytesSent).to.equal(0);
    });
  });

  describe('the end', () => {
    it('is reported once, after all data', async () => {
      start();
      peer.send(1, 'a'.repeat(1_000_000)).sendStatus(success).close();
      const reason = await ended;
      expect(received.reduce((sum, chunk) => sum + chunk.length, 0)).to.equal(1_000_000);
      expect(reason).to.include({ code: 'KW_ERR_EXEC_CONNECTION_LOST', bytesReceived: 1_000_000, bytesSent: 0 });
      expect(connection.status).to.deep.equal({ kind: 'exited', exitCode: 0 });
      connection.close();
      await sleep(20);
      expect(ends).to.have.length(1);
    });

    it('is a lost connection without a status, with code and reason', async () => {
      start();
      peer.send(1, 'abc').close(1011, 'shutting\ndown');
      const reason = await ended;
      expect(reason).to.be.instanceOf(ExecConnectionLostError);
      expect(reason.message).to.contain('WebSocket close 1011, shutting\\ndown');
      expect(connection.status).to.equal(undefined);
    });

    it('is a lost connection at a TCP reset, and pending writes reject with it', async () => {
      const bytes = start();
      peer.socket.pause();
      const writing = rejection(bytes.write([Buffer.alloc(32 * 1024 * 1024)]));
      peer.reset();
      const reason = await ended;
      expect(reason).to.include({ code: 'KW_ERR_EXEC_CONNECTION_LOST', retryable: true });
      expect(await writing).to.equal(reason);
    });

    it('is a lost connection, and no success, if the status is garbled or empty', async () => {
      start();
      peer.send(3, '').send(3, '{"status":"Suc').close();
      const reason = await ended;
      expect(reason).to.be.instanceOf(ExecConnectionLostError);
      expect(reason.message).to.contain('an invalid status');
      expect(connection.status).to.equal(undefined);
    });

    it('has a status that arrives in pieces', async () => {
      start();
      for (const character of JSON.stringify(exitCode(42))) peer.send(3, character);
      peer.close();
      await ended;
      expect(connection.status).to.deep.equal({ kind: 'exited', exitCode: 42 });
    });

    it('is a retryable refusal if the container is not up', async () => {
      start();
      peer
        .sendStatus({
          status: 'Failure',
          reason: 'InternalError',
          code: 500,
          message: 'unable to upgrade connection: container not found ("main")',
        })
        .close();
      const reason = await ended;
      expect(reason).to.be.instanceOf(ExecHandshakeFailedError);
      expect(reason).to.include({ retryable: true, status: 500 });
    });

    it('is a final refusal if the program is missing', async () => {
      start();
      peer
        .sendStatus({
          status: 'Failure',
          reason: 'InternalError',
          code: 500,
          message: 'exec: "/x": stat /x: no such file or directory',
        })
        .close();
      expect(await ended).to.include({ code: 'KW_ERR_EXEC_HANDSHAKE_FAILED', retryable: false });
    });

    it('is reported two seconds after the status if the server does not close', async () => {
      start();
      peer.send(1, 'x').sendStatus(success);
      while (connection.status === undefined) await sleep(5);
      expect(ends).to.have.length(0);
      await clock.advance(2_000);
      await ended;
      await peer.gone();
    });

    it('is a protocol violation if the status is endless', async () => {
      start();
      for (let count = 0; count < 40; count += 1) peer.send(3, 'x'.repeat(32 * 1024));
      expect(await ended).to.be.instanceOf(ProtocolViolationError);
    });

    it('is a lost connection at an oversized message', async () => {
      start();
      const header = Buffer.from([0x82, 127, 0, 0, 0, 0, 0x7f, 0, 0, 0]);
      peer.socket.write(header);
      expect(await ended).to.be.instanceOf(ExecConnectionLostError);
    });

    it('is a heartbeat time-out if no byte arrives for a minute, though TCP is open', async () => {
      start();
      peer.answersPings = false;
      await clock.advance(60_000);
      const reason = await ended;
      expect(reason).to.be.instanceOf(HeartbeatTimeoutError);
      expect(reason).to.include({ silentMs: 60_000 });
      await peer.gone();
      expect(clock.sleeping).to.equal(0);
    });

    it('is not reported as long as pings are answered', async () => {
      start();
      for (let turn = 1; turn <= 12; turn += 1) {
        await clock.advance(10_000);
        await peer.until(() => peer.frames.filter(({ opcode }) => opcode === opcodes.ping).length === turn);
        await sleep(5);
      }
      expect(ends).to.have.length(0);
    });

    it('is not reported after close, which releases the socket and every timer', async () => {
      const bytes = start();
      bytes.close();
      bytes.close();
      await peer.gone();
      expect(ends).to.have.length(0);
      expect(clock.sleeping).to.equal(0);
      expect(await rejection(bytes.write([Buffer.from('x')]))).to.be.instanceOf(ClosedError);
    });

    it('is reported if a handler throws, and no error escapes', async () => {
      const { promise, resolve } = Promise.withResolvers<Error>();
      const mistake = new Error('mistake');
      connection.start({
        data: () => {
          throw mistake;
        },
        end: resolve,
      });
      peer.send(1, 'x');
      const reason = await promise;
      expect(reason).to.include({ code: 'KW_ERR_EXEC_CONNECTION_LOST', cause: mistake });
    });
  });
});
