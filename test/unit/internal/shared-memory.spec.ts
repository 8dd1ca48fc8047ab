import { expect } from 'chai';

import { SharedMemory } from '../../../src/internal/shared-memory.ts';
import { alone } from '../../support/stores/memory-archive-store.ts';

describe('SharedMemory', () => {
  it('is freed when its last user has released it', () => {
    const bytes = alone(Buffer.alloc(100, 1));
    const part = bytes.subarray(10);
    const memory = new SharedMemory(bytes);
    memory.hold();
    memory.hold();
    memory.release();
    memory.release();
    expect(part).to.have.lengthOf(90);
    memory.release();
    expect([bytes.length, part.length]).to.deep.equal([0, 0]);
  });

  it('leaves bytes that share a buffer with others', () => {
    const [one, other] = [Buffer.alloc(10, 1), Buffer.alloc(10, 2)];
    const buffer = alone(Buffer.concat([one, other]));
    new SharedMemory(buffer.subarray(0, 10)).release();
    expect(buffer.subarray(10).equals(other)).to.equal(true);
  });
});
