import { expect } from 'chai';
import fc from 'fast-check';

import { cutBytes } from '../../../src/internal/cut-bytes.ts';

const longText = fc.string({ unit: 'binary', minLength: 41, maxLength: 60 });

describe('cutBytes', () => {
  it('returns a text that fits unchanged', () => {
    expect(cutBytes('é€', 5)).to.equal('é€');
  });

  it('returns the beginning of any other text, between two characters, with a mark', () => {
    fc.assert(
      fc.property(longText, fc.integer({ min: 8, max: 40 }), (text, maxBytes) => {
        const cut = cutBytes(text, maxBytes);
        expect(Buffer.byteLength(cut)).to.be.within(maxBytes - 3, maxBytes);
        expect(cut.endsWith('…')).to.equal(true);
        expect(text.startsWith(cut.slice(0, -1))).to.equal(true);
      }),
    );
  });
});
