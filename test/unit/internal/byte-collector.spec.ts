import { expect } from 'chai';
import fc from 'fast-check';

import { ByteCollector } from '../../../src/internal/byte-collector.ts';

const capacity = 262_144;

describe('ByteCollector', () => {
  it('returns copies of the bytes, which neither later bytes nor the release of other memory change', () => {
    const size = fc.oneof(fc.nat(100), fc.nat(40_000), fc.nat(capacity));
    fc.assert(
      fc.property(fc.array(fc.array(size, { maxLength: 4 }), { maxLength: 12 }), fc.boolean(), (takes, isReleased) => {
        const collector = new ByteCollector(capacity);
        const source = Buffer.alloc(capacity);
        const taken = takes.map((sizes, index) => {
          for (const bytes of sizes) collector.add(source.fill(index + 1).subarray(0, Math.min(bytes, collector.room)));
          const length = collector.length;
          return { length, ...collector.take() };
        });
        for (const [index, { length, bytes, memory }] of taken.entries()) {
          expect(bytes.equals(Buffer.alloc(length, index + 1)), `take ${index}`).to.equal(true);
          if (isReleased) memory.release();
        }
      }),
      { numRuns: 60 },
    );
  });

  it('refuses bytes for which there is no room', () => {
    const collector = new ByteCollector(10);
    collector.add(Buffer.alloc(8));
    expect(collector.room).to.equal(2);
    expect(() => collector.add(Buffer.alloc(3))).to.throw(RangeError);
    expect(collector.take().bytes).to.have.lengthOf(8);
    expect(collector.room).to.equal(10);
  });

  it('copies many bytes once, after it has learned their number', () => {
    const collector = new ByteCollector(capacity);
    const collect = (): ArrayBufferLike => {
      for (let at = 0; at < capacity; at += 16_384) collector.add(Buffer.alloc(16_384));
      return collector.take().bytes.buffer;
    };
    collect();
    collector.add(Buffer.alloc(1));
    const { buffer } = collector.bytes;
    for (let at = 1; at < capacity; at += 1_023) collector.add(Buffer.alloc(Math.min(1_023, capacity - at)));
    expect(collector.take().bytes.buffer).to.equal(buffer);
  });

  it('returns no more memory than twice the bytes need', () => {
    const collector = new ByteCollector(capacity);
    for (const length of [capacity, 100_000, 5_000, 140_000, 20_000, 131_072]) {
      collector.add(Buffer.alloc(length));
      expect(collector.take().bytes.buffer.byteLength, `${length} bytes`).to.be.at.most(2 * length);
    }
  });
});
