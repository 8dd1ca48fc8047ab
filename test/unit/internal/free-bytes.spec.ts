import { expect } from 'chai';

import { freeBytes } from '../../../src/internal/free-bytes.ts';

describe('freeBytes', () => {
  it('frees the memory of bytes that have a buffer of their own', () => {
    const bytes = Buffer.allocUnsafeSlow(1_000);
    freeBytes(bytes);
    expect(bytes.byteLength).to.equal(0);
    expect(bytes.buffer.byteLength).to.equal(0);
  });

  it('leaves bytes that share their buffer', () => {
    const whole = Buffer.allocUnsafeSlow(1_000).fill(1);
    freeBytes(whole.subarray(500));
    expect(whole.equals(Buffer.alloc(1_000, 1))).to.equal(true);
  });
});
