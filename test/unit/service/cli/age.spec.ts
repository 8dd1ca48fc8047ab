import { expect } from 'chai';

import { ageOf } from '../../../../src/service/cli/age.ts';

describe('an age', () => {
  it('has its two largest units', () => {
    const ages = [0, 12, 60, 61, 3_599, 3_600, 90_061, 86_400].map((seconds) =>
      ageOf(new Date(0), new Date(seconds * 1000)),
    );
    expect(ages).to.deep.equal(['0s', '12s', '1m', '1m1s', '59m59s', '1h', '1d1h', '1d']);
  });

  it('is zero for a moment in the future', () => {
    expect(ageOf(new Date(1000), new Date(0))).to.equal('0s');
  });
});
