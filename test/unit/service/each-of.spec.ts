import { expect } from 'chai';

import { eachOf } from '../../../src/service/each-of.ts';
import { settle } from '../../support/virtual-clock.ts';

describe('eachOf', () => {
  it('runs at most 8 calls at once, and returns the results in the order of the items', async () => {
    const items = Array.from({ length: 20 }, (_, index) => index);
    const ends: (() => void)[] = [];
    const running = eachOf(items, async (item) => {
      await new Promise<void>((resolve) => ends.push(resolve));
      return item * 2;
    });
    await settle();
    expect(ends).to.have.length(8);
    // The calls end in another order than they began.
    for (let end = ends.pop(); end !== undefined; end = ends.pop()) {
      end();
      await settle();
      expect(ends.length).to.be.at.most(8);
    }
    expect(await running).to.deep.equal(items.map((item) => item * 2));
  });

  it('rejects with the error of a call', async () => {
    const failure = new Error('failed');
    const failing = eachOf([1, 2], async (item) => {
      if (item === 2) throw failure;
    });
    expect(await failing.catch((error: unknown) => error)).to.equal(failure);
  });
});
