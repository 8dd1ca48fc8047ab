import { expect } from 'chai';
import { shortDuration } from '../../../../src/embedded/server/table.ts';

describe('shortDuration', () => {
  for (const [ms, text] of [
    [0, '0s'],
    [119_000, '119s'],
    [120_000, '2m'],
    [305_000, '5m5s'],
    [3_600_000, '60m'],
    [11_100_000, '3h5m'],
    [100_000_000, '27h'],
    [300_000_000, '3d'],
    [Number.NaN, '<unknown>'],
  ] as const) {
    it(`formats ${ms} ms as ${text}`, () => {
      expect(shortDuration(ms)).to.equal(text);
    });
  }
});
