import { expect } from 'chai';
import fc from 'fast-check';

import { ReceivedBytes } from '../../../../src/agent-client/wire/received-bytes.ts';

describe('ReceivedBytes', () => {
  it('returns copies of any size, which later bytes do not change', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({ size: fc.oneof(fc.nat(100), fc.nat(40_000), fc.constant(300_000)), isFirst: fc.boolean() }),
          { maxLength: 40 },
        ),
        (pieces) => {
          const received = new ReceivedBytes();
          const read = Buffer.alloc(300_000);
          const copies = pieces.map(({ size, isFirst }, index) =>
            received.copy(read.fill(index + 1).subarray(0, size), isFirst),
          );
          for (const [index, { size }] of pieces.entries())
            expect(copies[index]?.equals(Buffer.alloc(size, index + 1))).to.equal(true);
        },
      ),
      { numRuns: 30 },
    );
  });

  it('copies a large message and its short end to adjacent memory', () => {
    const received = new ReceivedBytes();
    const [first, second, next] = [
      received.copy(Buffer.alloc(16_000), true),
      received.copy(Buffer.alloc(5), false),
      received.copy(Buffer.alloc(16_000), true),
    ];
    expect(second.buffer).to.equal(first.buffer);
    expect(second.byteOffset).to.equal(first.byteOffset + 16_000);
    expect(next.byteOffset).to.equal(second.byteOffset + 5);
  });

  it('pins no block with the bytes of a short message', () => {
    const received = new ReceivedBytes();
    const large = received.copy(Buffer.alloc(16_000), true);
    expect(received.copy(Buffer.alloc(100), true).buffer).to.not.equal(large.buffer);
    expect(received.copy(Buffer.alloc(100), false).buffer).to.not.equal(large.buffer);
  });
});
