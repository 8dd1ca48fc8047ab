import { expect } from 'chai';
import fc from 'fast-check';

import { channels, decodeMessage, encodeStdin, maxStdinBytes } from '../../../src/exec/channel-frame.ts';

function bytes(length: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, index) => (index * 31 + (index >> 8)) & 0xff));
}

describe('channel frames', () => {
  const chunkLists = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 12 });

  it('carry any chunks to stdin byte for byte, each message with its channel byte', () => {
    fc.assert(
      fc.property(chunkLists, (chunks) => {
        const messages = encodeStdin(chunks);
        for (const message of messages) expect(message[0]).to.equal(channels.stdin);
        expect(Buffer.concat(messages.map((message) => message.subarray(1))).equals(Buffer.concat(chunks))).to.equal(true);
      }),
    );
  });

  for (const size of [1, maxStdinBytes - 1, maxStdinBytes, maxStdinBytes + 1, 2 * maxStdinBytes, 3 * maxStdinBytes + 1]) {
    it(`take as few messages as possible for ${String(size)} bytes, however they are cut`, () => {
      const whole = bytes(size);
      for (const cut of [0, 1, Math.floor(size / 2), size - 1]) {
        const messages = encodeStdin([whole.subarray(0, cut), whole.subarray(cut)]);
        expect(messages).to.have.length(Math.ceil(size / maxStdinBytes));
        expect(Buffer.concat(messages.map((message) => message.subarray(1))).equals(whole)).to.equal(true);
      }
    });
  }

  it('are none for no bytes', () => {
    expect(encodeStdin([])).to.deep.equal([]);
    expect(encodeStdin([new Uint8Array(0), new Uint8Array(0)])).to.deep.equal([]);
  });

  it('hold a whole frame of the agent in one message', () => {
    expect(encodeStdin([bytes(8), bytes(262_176)])).to.have.length(1);
  });

  it('are read without a copy', () => {
    const message = Buffer.from([1, 65, 66]);
    const decoded = decodeMessage(message);
    expect(decoded?.channel).to.equal(1);
    expect(decoded?.payload.toString()).to.equal('AB');
    message[1] = 67;
    expect(decoded?.payload.toString()).to.equal('CB');
  });

  it('are none where a message is empty', () => {
    expect(decodeMessage(Buffer.alloc(0))).to.equal(undefined);
  });
});
