import { expect } from 'chai';
import fc from 'fast-check';

import { TailBuffer } from '../../../../src/service/status/routes/tail-buffer.ts';

/** Returns the last lines of a text, in the plainest way. */
function expectedTail(text: string, lines: number): string {
  const all = text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
  return lines === 0 ? '' : all.slice(-lines).join('');
}

describe('The last lines of a stream', () => {
  it('are the same for any text, number of lines, pieces and later output', () => {
    const texts = fc.string({ unit: fc.constantFrom('a', 'b', '\n'), maxLength: 40 });
    fc.assert(
      fc.property(texts, texts, fc.nat({ max: 8 }), fc.integer({ min: 1, max: 9 }), (before, after, lines, size) => {
        const buffer = new TailBuffer({ lines, endBytes: before.length });
        const bytes = Buffer.from(before + after);
        const passed: Uint8Array[] = [];
        for (let at = 0; at < bytes.length; at += size) passed.push(...buffer.pass(bytes.subarray(at, at + size), at));
        const expected = bytes.length === 0 ? '' : expectedTail(before, lines) + after;
        expect(Buffer.concat(passed).toString()).to.equal(expected);
      }),
    );
  });

  it('are everything without a number of lines', () => {
    const buffer = new TailBuffer({ lines: undefined, endBytes: 10 });
    expect(buffer.pass(Buffer.from('abc'), 0)).to.deep.equal([Buffer.from('abc')]);
  });
});
