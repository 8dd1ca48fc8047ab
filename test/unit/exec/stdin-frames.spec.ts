import { Socket } from 'node:net';

import { expect } from 'chai';
import fc from 'fast-check';

import { channels } from '../../../src/exec/channels.ts';
import type { ExecWire } from '../../../src/exec/exec-wire.ts';
import { MessageBuffers } from '../../../src/exec/message-buffers.ts';
import { maxStdinBytes, messageBufferBytes, StdinFrames } from '../../../src/exec/stdin-frames.ts';
import type { MaskMaker } from '../../../src/exec/websocket/frame-encoding.ts';
import { WebSocketWire } from '../../../src/exec/websocket/web-socket-wire.ts';
import { ClientFrameParser, opcodes } from '../../support/websocket-frames.ts';

function bytes(length: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, index) => (index * 31 + (index >> 8)) & 0xff));
}

function noMask(mask: Buffer): void {
  mask.fill(0);
}

function someMask(mask: Buffer): void {
  mask.set([0x12, 0x34, 0xff, 0x01]);
}

/** As over WebSocket. */
function wire(mask: MaskMaker): Pick<ExecWire, 'stdinInPlace'> {
  const upgraded = { socket: new Socket(), head: Buffer.alloc(0) };
  return new WebSocketWire(upgraded, { mask, data: () => undefined, closed: () => undefined });
}

describe('frames for stdin', () => {
  const encoded = (chunks: readonly Uint8Array[], mask = someMask): Buffer[] =>
    [...new StdinFrames(new MessageBuffers(messageBufferBytes), wire(mask)).encode(chunks)].map((frame) => frame.bytes);

  /** What a server makes of them. */
  function messages(frames: readonly Buffer[]): Buffer[] {
    const parsed = new ClientFrameParser().push(Buffer.concat(frames));
    for (const { opcode, isFinal, isMasked, payload } of parsed) {
      expect({ opcode, isFinal, isMasked }).to.deep.equal({ opcode: opcodes.binary, isFinal: true, isMasked: true });
      expect(payload[0]).to.equal(channels.stdin);
    }
    return parsed.map(({ payload }) => payload.subarray(1));
  }

  it('carry any chunks byte for byte, each a message of one frame with its channel byte, whatever the mask', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 12 }), fc.boolean(), (chunks, masked) => {
        expect(
          Buffer.concat(messages(encoded(chunks, masked ? someMask : noMask))).equals(Buffer.concat(chunks)),
        ).to.equal(true);
      }),
    );
  });

  // The lengths at which a header grows, and those at which there is another message.
  const sizes = [
    1,
    124,
    125,
    126,
    4095,
    4096,
    65_534,
    65_535,
    maxStdinBytes - 1,
    maxStdinBytes,
    maxStdinBytes + 1,
    3 * maxStdinBytes + 1,
  ];
  for (const size of sizes) {
    it(`are as few as possible for ${String(size)} bytes, however they are cut`, () => {
      const whole = bytes(size);
      for (const cut of [0, 1, Math.floor(size / 2), size - 1]) {
        const given = messages(encoded([whole.subarray(0, cut), whole.subarray(cut)]));
        expect(given).to.have.length(Math.ceil(size / maxStdinBytes));
        expect(Buffer.concat(given).equals(whole)).to.equal(true);
      }
    });
  }

  it('are none for no bytes', () => {
    expect(encoded([])).to.deep.equal([]);
    expect(encoded([new Uint8Array(0), new Uint8Array(0)])).to.deep.equal([]);
  });

  it('use a buffer again once it was released, and no other', () => {
    const frames = new StdinFrames(new MessageBuffers(messageBufferBytes), wire(noMask));
    const [first] = frames.encode([bytes(10_000)]);
    const [second] = frames.encode([bytes(10_000)]);
    expect(second?.bytes.buffer).to.not.equal(first?.bytes.buffer);
    first?.release();
    const [third] = frames.encode([bytes(20_000)]);
    expect(third?.bytes.buffer).to.equal(first?.bytes.buffer);
    expect(third === undefined ? [] : messages([third.bytes]).map((message) => message.length)).to.deep.equal([20_000]);
  });

  it('keep no more than 4 MiB of buffers', () => {
    const buffers = new MessageBuffers(1024 * 1024);
    const taken = Array.from({ length: 6 }, () => buffers.take());
    for (const buffer of taken) buffers.giveBack(buffer);
    const again = Array.from({ length: 6 }, () => buffers.take());
    expect(again.filter((buffer) => taken.includes(buffer))).to.have.length(4);
  });
});
