import { setTimeout as sleep } from 'node:timers/promises';

import { expect } from 'chai';
import fc from 'fast-check';

import { createCertificates } from '../../../src/embedded/server/certificates.ts';
import {
  ExecConnectionLostError,
  ExecHandshakeFailedError,
  ProtocolViolationError,
} from '../../../src/errors/connection.ts';
import type { ExecConnection } from '../../../src/exec/exec-connection.ts';
import { openExec } from '../../../src/exec/open-exec.ts';
import { maxStdinBytes } from '../../../src/exec/stdin-frames.ts';
import { ScriptedApiServer } from '../../support/api-server.ts';
import type { ExecPeer } from '../../support/exec-peer.ts';
import { rejection } from '../../support/rejection.ts';
import { Tripwire } from '../../support/tripwire.ts';
import { closeFrame, httpAnswer, opcodes, serverFrame } from '../../support/websocket-frames.ts';

/** More than the buffers of both sockets hold. */
const stuckBytes = 32 * 1024 * 1024;

describe('An exec over WebSocket', () => {
  let server: ScriptedApiServer;
  let peer: ExecPeer;
  let connection: ExecConnection;
  /** The chunks of stdout as they were delivered, not copied. */
  let received: Uint8Array[];
  let ended: Promise<Error>;

  /** Opens a connection, and starts it when `before` has ended. */
  async function open(secure = false, before: () => Promise<void> = async () => {}): Promise<void> {
    const accepted = Promise.withResolvers<ExecPeer>();
    server.exec = (arrived) => accepted.resolve(arrived.accept());
    const endpoint = server.execEndpoint();
    connection = await openExec(secure ? { ...endpoint, tls: { rejectUnauthorized: false } } : endpoint);
    peer = await accepted.promise;
    received = [];
    const { promise, resolve } = Promise.withResolvers<Error>();
    ended = promise;
    await before();
    connection.start({ data: (chunk) => received.push(Buffer.from(chunk)), end: resolve });
  }

  async function until(condition: () => boolean): Promise<void> {
    while (!condition()) await sleep(5);
  }

  const bytes = (): Buffer => Buffer.concat(received);

  beforeEach(async () => {
    server = await ScriptedApiServer.start();
  });

  afterEach(async () => {
    connection?.close();
    await server.close();
  });

  describe('a message of the server', () => {
    beforeEach(async () => {
      await open();
    });

    it('arrives in order, however messages are fragmented and bytes are cut, with pings in between', async () => {
      const message = fc.record({
        payload: fc.uint8Array({ minLength: 1, maxLength: 400 }),
        fragmentBytes: fc.integer({ min: 1, max: 500 }),
        ping: fc.boolean(),
      });
      peer.socket.setNoDelay(true);
      await fc.assert(
        fc.asyncProperty(
          fc.array(message, { minLength: 1, maxLength: 8 }),
          fc.integer({ min: 1, max: 90 }),
          async (sent, cutBytes) => {
            received = [];
            const wire = Buffer.concat(sent.flatMap(fragmented));
            for (let at = 0; at < wire.length; at += cutBytes) peer.socket.write(wire.subarray(at, at + cutBytes));
            const whole = Buffer.concat(sent.map(({ payload }) => payload));
            await until(() => bytes().length >= whole.length);
            expect(bytes().equals(whole)).to.equal(true);
          },
        ),
        { numRuns: 30 },
      );
    });

    for (const size of [124, 125, 65_534, 65_535, 1_000_000])
      it(`arrives whole in a message of ${String(size)} bytes behind the channel's number`, async () => {
        peer.send(1, Buffer.alloc(size, 'x')).send(1, 'next');
        await until(() => bytes().length >= size + 4);
        expect(bytes().equals(Buffer.from(`${'x'.repeat(size)}next`))).to.equal(true);
      });

    it('stays unchanged before the start, while more arrives', async () => {
      connection.close();
      const whole = Buffer.concat(Array.from({ length: 20 }, (_, turn) => Buffer.alloc(40_000, turn)));
      await open(false, async () => {
        for (let at = 0; at < whole.length; at += 40_000) peer.send(1, whole.subarray(at, at + 40_000));
        await until(() => connection.bytesReceived >= whole.length);
      });
      expect(bytes().equals(whole)).to.equal(true);
    });

    it('is answered with a pong as a ping', async () => {
      peer.sendFrame(opcodes.ping, Buffer.from('hello'));
      await peer.until(() => peer.frames.some(({ opcode }) => opcode === opcodes.pong));
      expect(peer.frames.at(-1)?.payload.toString()).to.equal('hello');
    });

    const frame = (opcode: number, isFinal = true): Buffer => serverFrame(opcode, Buffer.from('\u0001'), isFinal);
    for (const [name, frames] of [
      ['a frame with a mask', [Buffer.from([0x82, 0x81, 0, 0, 0, 0, 1])]],
      ['a frame with an extension', [Buffer.from([0xc2, 1, 1])]],
      ['an unknown data frame', [frame(3)]],
      ['an unknown control frame', [frame(11)]],
      ['a fragmented control frame', [frame(opcodes.ping, false)]],
      ['a control frame of 126 bytes', [serverFrame(opcodes.ping, Buffer.alloc(126))]],
      ['a continuation of no message', [frame(opcodes.continuation)]],
      ['a message within a message', [frame(opcodes.binary, false), frame(opcodes.binary)]],
      ['a message above 33 MiB', [Buffer.from([0x82, 127, 0, 0, 0, 0, 2, 0x10, 0, 1])]],
      ['a length above any memory', [Buffer.from([0x82, 127, 0xff, 0, 0, 0, 0, 0, 0, 0])]],
    ] as const)
      it(`is refused, and ends the connection, as ${name}`, async () => {
        for (const part of frames) peer.socket.write(part);
        const reason = await ended;
        expect(reason).to.be.instanceOf(ExecConnectionLostError);
        expect(reason.cause).to.be.instanceOf(ProtocolViolationError);
        await peer.gone();
      });
  });

  describe('a write', () => {
    // The lengths around the sizes of a header, of small buffers and of the largest message.
    for (const size of [1, 124, 125, 4095, 4096, maxStdinBytes, maxStdinBytes + 1])
      it(`of ${String(size)} bytes arrives in as few masked frames as possible`, async () => {
        await open();
        const payload = Buffer.from(Array.from({ length: size }, (_, index) => (index * 31 + (index >> 8)) & 0xff));
        await connection.write([payload.subarray(0, size >> 1), payload.subarray(size >> 1)]);
        await peer.until(() => peer.stdin.length >= size);
        expect(peer.stdin.equals(payload)).to.equal(true);
        expect(peer.frames).to.have.length(Math.ceil(size / maxStdinBytes));
        for (const { opcode, isFinal, isMasked } of peer.frames)
          expect({ opcode, isFinal, isMasked }).to.deep.equal({
            opcode: opcodes.binary,
            isFinal: true,
            isMasked: true,
          });
      });
  });

  describe('the end', () => {
    beforeEach(async () => {
      await open();
    });

    it('answers the server\u2019s close', async () => {
      peer.socket.write(closeFrame(1011, 'shutting down'));
      await peer.until(() => peer.frames.some(({ opcode }) => opcode === opcodes.close));
      expect(peer.frames.at(-1)?.payload.readUInt16BE()).to.equal(1011);
      peer.socket.end();
      expect((await ended).message).to.contain('WebSocket close 1011, shutting down');
    });

    it('reports code 1005 for a close without a code, and 1006 without a close', async () => {
      peer.sendFrame(opcodes.close, Buffer.alloc(0)).socket.end();
      expect((await ended).message).to.contain('WebSocket close 1005');
      await open();
      peer.socket.end();
      expect((await ended).message).to.contain('WebSocket close 1006');
    });

    it('is reported soon after a close while the server neither reads nor ends the connection', async () => {
      peer.socket.pause();
      const writing = rejection(connection.write([Buffer.alloc(stuckBytes)]));
      peer.socket.write(closeFrame(1001));
      const reason = await ended;
      expect(reason.message).to.contain('WebSocket close 1001');
      expect(await writing).to.equal(reason);
    });

    it('is reported at the server\u2019s FIN while a write is blocked', async () => {
      peer.socket.pause();
      const writing = rejection(connection.write([Buffer.alloc(stuckBytes)]));
      peer.socket.end();
      const reason = await ended;
      expect(reason.message).to.contain('WebSocket close 1006');
      expect(await writing).to.equal(reason);
    });

    it('has the error of the socket as its cause', async () => {
      peer.reset();
      expect((await ended).cause).to.include({ code: 'ECONNRESET' });
    });

    it('is reported after all data', async () => {
      peer.send(1, Buffer.alloc(300_000, 'a')).send(1, 'b').close();
      await ended;
      expect(bytes().length).to.equal(300_001);
    });
  });

  describe('the handshake', () => {
    const lines = (...headers: readonly string[]): string =>
      `${['HTTP/1.1 101 Switching Protocols', 'Connection: Upgrade', ...headers].join('\r\n')}\r\n\r\n`;

    for (const [name, answer] of [
      [
        'another key',
        (arrived: ExecPeer) =>
          void arrived.socket.write(
            lines(
              'Upgrade: websocket',
              'Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=',
              `Sec-WebSocket-Protocol: ${arrived.offered[0] ?? ''}`,
            ),
          ),
      ],
      ['another protocol', (arrived: ExecPeer) => void arrived.socket.write(lines('Upgrade: h2c'))],
      [
        'an extension that was not offered',
        (arrived: ExecPeer) =>
          void arrived.accept(arrived.offered[0], ['Sec-WebSocket-Extensions: permessage-deflate']),
      ],
    ] as const)
      it(`fails, and closes its socket, if the server answers with ${name}`, async () => {
        server.exec = answer;
        const error = await rejection(openExec(server.execEndpoint()));
        expect(error).to.be.instanceOf(ExecHandshakeFailedError);
        expect(error).to.include({ retryable: true, status: undefined });
        await until(() => server.connections === 0);
        expect(server.requests).to.have.length(1);
      });

    it('leaves no socket, timer or listener, whatever its outcome', async () => {
      const tripwire = await Tripwire.set();
      for (let turn = 0; turn < 10; turn += 1) {
        await open();
        connection.close();
        server.exec = (arrived) => arrived.socket.end(httpAnswer(503, 'busy'));
        await rejection(openExec(server.execEndpoint()));
        server.exec = (arrived) => void arrived.accept('');
        await rejection(openExec(server.execEndpoint()));
        server.exec = (arrived) => arrived.reset();
        await rejection(openExec(server.execEndpoint()));
      }
      await until(() => server.connections === 0);
      await tripwire.check();
    });
  });

  describe('the mask of sent frames', () => {
    /** The bytes of the mask of the first frame of some bytes of stdin. */
    async function mask(): Promise<Buffer> {
      const chunks: Buffer[] = [];
      peer.socket.on('data', (chunk: Buffer) => chunks.push(chunk));
      await connection.write([Buffer.from('abc')]);
      await until(() => Buffer.concat(chunks).length === 10);
      return Buffer.concat(chunks).subarray(2, 6);
    }

    it('is random without TLS', async () => {
      await open();
      const masks = [await mask()];
      connection.close();
      await open();
      masks.push(await mask());
      expect(masks[0]?.equals(masks[1]!)).to.equal(false);
    });

    it('is zero within TLS', async () => {
      const { server: identity } = createCertificates(new Date());
      await server.close();
      server = await ScriptedApiServer.start({ cert: identity.certificate, key: identity.privateKey });
      await open(true);
      expect([...(await mask())]).to.deep.equal([0, 0, 0, 0]);
      const payload = Buffer.alloc(300_000, 'abcdefg');
      await connection.write([payload]);
      await peer.until(() => peer.stdin.length === payload.length + 3);
      expect(peer.stdin.subarray(3).equals(payload)).to.equal(true);
      peer.send(1, payload);
      await until(() => bytes().length >= payload.length);
      expect(bytes().equals(payload)).to.equal(true);
    });
  });
});

interface SentMessage {
  readonly payload: Uint8Array;
  readonly fragmentBytes: number;
  readonly ping: boolean;
}

/** The frames of a message on stdout. Control frames may come between the fragments. */
function fragmented({ payload, fragmentBytes, ping }: SentMessage): Buffer[] {
  const message = Buffer.concat([Buffer.from([1]), payload]);
  const frames: Buffer[] = [];
  for (let at = 0; at < message.length; at += fragmentBytes) {
    const opcode = at === 0 ? opcodes.binary : opcodes.continuation;
    frames.push(serverFrame(opcode, message.subarray(at, at + fragmentBytes), at + fragmentBytes >= message.length));
    if (ping) frames.push(serverFrame(opcodes.ping, Buffer.from('?')));
  }
  return frames;
}
