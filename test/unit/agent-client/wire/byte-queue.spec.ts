import { expect } from 'chai';
import fc from 'fast-check';

import { ByteQueue } from '../../../../src/agent-client/wire/byte-queue.ts';

describe('ByteQueue', () => {
  it('returns the pushed bytes in any portions, and never changes returned bytes', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(
            fc.record({ push: fc.integer({ min: 0, max: 30_000 }) }),
            fc.record({ take: fc.integer({ min: 1, max: 40_000 }) }),
          ),
          {
            maxLength: 60,
          },
        ),
        (steps) => {
          const queue = new ByteQueue();
          let pushed = 0;
          const taken: Uint8Array[] = [];
          const pattern = (start: number, length: number): Buffer =>
            Buffer.from(
              Uint8Array.from({ length }, (_, index) => ((start + index) * 31 + ((start + index) >> 8)) & 255),
            );
          for (const step of steps) {
            if ('push' in step) {
              queue.push(pattern(pushed, step.push));
              pushed += step.push;
            } else taken.push(...queue.take(Math.min(step.take, queue.length)));
          }
          taken.push(...queue.take(queue.length));
          expect(queue.length).to.equal(0);
          expect(Buffer.concat(taken).equals(pattern(0, pushed))).to.equal(true);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('does not copy large pieces', () => {
    const queue = new ByteQueue();
    const piece = Buffer.alloc(10_000);
    queue.push(piece);
    expect(queue.take(5_000)[0]?.buffer).to.equal(piece.buffer);
  });

  it('merges adjacent pieces of one buffer, large or small, and no others', () => {
    const queue = new ByteQueue();
    const block = Buffer.alloc(60_000, 'abcdefg');
    for (const [from, to] of [
      [0, 16_000],
      [16_000, 16_005],
      [16_005, 40_000],
      [40_100, 60_000],
    ] as const)
      queue.push(block.subarray(from, to));
    expect(queue.contiguousLength(100_000)).to.equal(40_000);
    expect(queue.contiguousLength(1_000)).to.equal(1_000);
    const pieces = queue.take(queue.length);
    expect(pieces.map(({ byteLength }) => byteLength)).to.deep.equal([40_000, 19_900]);
    expect(Buffer.concat(pieces).equals(Buffer.concat([block.subarray(0, 40_000), block.subarray(40_100)]))).to.equal(
      true,
    );
    expect(queue.contiguousLength(1)).to.equal(0);
  });

  it('joins many tiny pieces into few', () => {
    const queue = new ByteQueue();
    for (let index = 0; index < 100_000; index += 1) queue.push(Uint8Array.of(index & 255));
    const pieces = queue.take(100_000);
    expect(pieces.length).to.be.at.most(3);
    expect(
      Buffer.concat(pieces).equals(Buffer.from(Uint8Array.from({ length: 100_000 }, (_, index) => index & 255))),
    ).to.equal(true);
  });
});
