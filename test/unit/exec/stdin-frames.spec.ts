import { expect } from 'chai';
import fc from 'fast-check';

import type { ExecWire } from '../../../src/exec/exec-wire.ts';
import { MessageBuffers } from '../../../src/exec/message-buffers.ts';
import { maxStdinBytes, messageBufferBytes, StdinFrames } from '../../../src/exec/stdin-frames.ts';

function bytes(length: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, index) => (index * 31 + (index >> 8)) & 0xff));
}

/** The head of every message. */
const head = Buffer.from('head');

const wire: Pick<ExecWire, 'stdinInPlace'> = {
  stdinInPlace: (message, stdinAt) => {
    message.set(head, stdinAt - head.length);
    return message.subarray(stdinAt - head.length);
  },
};

/** The stdin of each message. */
function messages(frames: readonly Buffer[]): Buffer[] {
  for (const frame of frames) expect(frame.subarray(0, head.length).equals(head)).to.equal(true);
  return frames.map((frame) => frame.subarray(head.length));
}

describe('StdinFrames', () => {
  const encoded = (chunks: readonly Uint8Array[]): Buffer[] =>
    [...new StdinFrames(new MessageBuffers(messageBufferBytes), wire).encode(chunks)].map((frame) => frame.bytes);

  it('carries any chunks byte for byte, in messages with a head each', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 12 }), (chunks) => {
        expect(Buffer.concat(messages(encoded(chunks))).equals(Buffer.concat(chunks))).to.equal(true);
      }),
    );
  });

  // The lengths around the limit for small buffers and around the limit of a message.
  const sizes = [1, 4095, 4096, maxStdinBytes - 1, maxStdinBytes, maxStdinBytes + 1, 3 * maxStdinBytes + 1];
  for (const size of sizes) {
    it(`creates as few messages as possible for ${String(size)} bytes, wherever the chunks are cut`, () => {
      const whole = bytes(size);
      for (const cut of [0, 1, Math.floor(size / 2), size - 1]) {
        const given = messages(encoded([whole.subarray(0, cut), whole.subarray(cut)]));
        expect(given).to.have.length(Math.ceil(size / maxStdinBytes));
        expect(Buffer.concat(given).equals(whole)).to.equal(true);
      }
    });
  }

  it('creates no message for no bytes', () => {
    expect(encoded([])).to.deep.equal([]);
    expect(encoded([new Uint8Array(0), new Uint8Array(0)])).to.deep.equal([]);
  });

  it('reuses a buffer only after its release', () => {
    const frames = new StdinFrames(new MessageBuffers(messageBufferBytes), wire);
    const [first] = frames.encode([bytes(10_000)]);
    const [second] = frames.encode([bytes(10_000)]);
    expect(second?.bytes.buffer).to.not.equal(first?.bytes.buffer);
    first?.release();
    const [third] = frames.encode([bytes(20_000)]);
    expect(third?.bytes.buffer).to.equal(first?.bytes.buffer);
    expect(third === undefined ? [] : messages([third.bytes]).map((message) => message.length)).to.deep.equal([20_000]);
  });

  it('keeps at most 4 MiB of buffers', () => {
    const buffers = new MessageBuffers(1024 * 1024);
    const taken = Array.from({ length: 6 }, () => buffers.acquire());
    for (const buffer of taken) buffers.release(buffer);
    const again = Array.from({ length: 6 }, () => buffers.acquire());
    expect(again.filter((buffer) => taken.includes(buffer))).to.have.length(4);
  });
});
