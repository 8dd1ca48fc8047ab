import { expect } from 'chai';

import { oldKeys } from '../../../src/controllers/key-age.ts';

const hourMs = 60 * 60 * 1000;
const now = 1_000 * hourMs;

/** Returns the ages, by the store's clock, of the keys that are old. */
function oldOf(agesHours: readonly number[], storeIsAheadHours = 0): readonly number[] {
  const storeNow = now + storeIsAheadHours * hourMs;
  const keys = agesHours.map((age) => ({ age, modifiedAt: storeNow - age * hourMs }));
  return oldKeys(keys, now).map(({ age }) => age);
}

describe('oldKeys', () => {
  it('returns keys that are a day older than the newest one', () => {
    expect(oldOf([0, 23.9, 24, 100])).to.deep.equal([24, 100]);
  });

  it('returns keys of a store without a new key after two days', () => {
    expect(oldOf([47])).to.deep.equal([]);
    expect(oldOf([48])).to.deep.equal([48]);
    expect(oldOf([30, 47])).to.deep.equal([]);
  });

  for (const ahead of [-23, -12, -1, 1, 12, 23])
    it(`returns no young key of a store whose clock differs by ${ahead} hours`, () => {
      expect(oldOf([0, 1, 12, 23.9], ahead)).to.deep.equal([]);
      expect(oldOf([0, 72], ahead)).to.deep.equal([72]);
    });

  it('is not misled by a key with a time in the future', () => {
    expect(oldOf([-10_000, 0, 23.9])).to.deep.equal([]);
  });

  it('returns nothing without keys, or without times', () => {
    expect(oldOf([])).to.deep.equal([]);
    expect(oldOf([Number.NaN, Number.NaN])).to.deep.equal([]);
  });
});
