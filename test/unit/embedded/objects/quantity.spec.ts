import { expect } from 'chai';
import { parseQuantity } from '../../../../src/embedded/objects/quantity.ts';

describe('parseQuantity', () => {
  for (const [text, value] of [
    ['500m', 0.5],
    ['1', 1],
    ['1Gi', 2 ** 30],
    ['1.5k', 1500],
    ['2e3', 2000],
    ['.5', 0.5],
    ['1E', 1e18],
  ] as const) {
    it(`parses ${text}`, () => {
      expect(parseQuantity(text)).to.equal(value);
    });
  }
  it('rejects any other text', () => {
    for (const text of ['', 'x', '1 Gi', '1gi', '--1']) expect(parseQuantity(text)).to.equal(undefined);
  });
});
