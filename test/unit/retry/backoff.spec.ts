import { expect } from 'chai';

import { backoffMs } from '../../../src/retry/backoff.ts';

describe('backoffMs', () => {
  const backoff = { firstMs: 100, longestMs: 5_000 };

  it('doubles from the first wait up to the longest', () => {
    expect([0, 1, 2, 5, 6, 1000].map((retry) => backoffMs(retry, backoff, 1))).to.deep.equal([
      100, 200, 400, 3_200, 5_000, 5_000,
    ]);
  });

  it('subtracts a random part of up to half', () => {
    expect([0, 0.5, 1].map((random) => backoffMs(2, backoff, random))).to.deep.equal([200, 300, 400]);
  });
});
