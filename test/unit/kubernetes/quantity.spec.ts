import { expect } from 'chai';
import fc from 'fast-check';

import { quantityIn } from '../../../src/kubernetes/quantity.ts';

describe('quantityIn', () => {
  const cases: readonly (readonly [text: string, milli: number, one: number])[] = [
    ['0', 0, 0],
    ['500m', 500, 1],
    ['1.5', 1500, 2],
    ['.5', 500, 1],
    ['2.', 2000, 2],
    ['+3', 3000, 3],
    ['1n', 1, 1],
    ['2500u', 3, 1],
    ['1k', 1e6, 1e3],
    ['1Ki', 1_024_000, 1024],
    ['1.5Gi', 1_610_612_736_000, 1_610_612_736],
    ['1e3', 1e6, 1e3],
    ['1E3', 1e6, 1e3],
    ['15e-1', 1500, 2],
    ['1E', 1e21, 1e18],
    ['1Ei', 2 ** 60 * 1000, 2 ** 60],
    ['12345678901234567', 12_345_678_901_234_567_000, 12_345_678_901_234_567],
  ];
  for (const [text, milli, one] of cases)
    it(`reads ${text}`, () => {
      expect([quantityIn(text, 'milli'), quantityIn(text, 'one')]).to.deep.equal([milli, one]);
    });

  for (const text of [
    '',
    '.',
    '-1',
    'm',
    'Gi',
    '1g',
    '1KI',
    '1 Gi',
    ' 1',
    '1e',
    '1e+',
    '1e100',
    '1.2.3',
    '0x10',
    '1Gim',
  ])
    it(`refuses ${JSON.stringify(text)}`, () => {
      expect(quantityIn(text, 'one')).to.equal(undefined);
    });

  it('reads each whole number with each suffix, and a thousandth of it, exactly', () => {
    const suffixes = fc.constantFrom('', 'k', 'M', 'Ki', 'Mi', 'Gi');
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4_000 }), suffixes, (number, suffix) => {
        const factor = quantityIn(`1${suffix}`, 'one')!;
        expect(quantityIn(`${number}${suffix}`, 'one')).to.equal(number * factor);
        const thousandth = `${Math.floor(number / 1000)}.${String(number % 1000).padStart(3, '0')}${suffix}`;
        expect(quantityIn(thousandth, 'milli')).to.equal(number * factor);
        expect(quantityIn(`${number}e-3`, 'milli')).to.equal(number);
      }),
      { numRuns: 100 },
    );
  });

  it('never returns less than the amount, nor more by a whole unit', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1_000_000 }), fc.constantFrom('m', 'u', 'n'), (number, suffix) => {
        const amount = number * { m: 1e-3, u: 1e-6, n: 1e-9 }[suffix];
        const units = quantityIn(`${number}${suffix}`, 'one')!;
        expect(units).to.be.within(amount - 1e-9, amount + 1);
        expect(units).to.equal(Math.ceil(Number(amount.toFixed(9))));
      }),
      { numRuns: 100 },
    );
  });
});
