import { expect } from 'chai';
import fc from 'fast-check';

import { ByteTail } from '../../../src/exec/byte-tail.ts';
import { quote } from '../../../src/internal/quote.ts';

describe('ByteTail', () => {
  it('keeps the last bytes, wherever the chunks are cut', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 })), fc.integer({ min: 1, max: 50 }), (chunks, limit) => {
        const tail = new ByteTail(limit);
        for (const chunk of chunks) tail.append(chunk);
        expect(tail.text()).to.equal(Buffer.concat(chunks).subarray(-limit).toString('utf8'));
      }),
    );
  });
});

describe('quote', () => {
  it('returns one short line without control characters', () => {
    expect(quote('a\tb\nc\u001b[0m\u2028d')).to.equal('a\\tb\\nc\\u{1b}[0m\\u{2028}d');
    expect(quote('x'.repeat(500), 10)).to.equal('xxxxxxxxxx…');
    expect(quote('grüße')).to.equal('grüße');
  });
});
