import { expect } from 'chai';

import { nearest } from '../../../../src/service/config/suggestion.ts';

describe('nearest', () => {
  const candidates = ['bucket', 'prefix', 'region', 'maxBytes', 'maxKeyBytes', 'url'];
  for (const [name, expected] of [
    ['buket', 'bucket'],
    ['Bucket', 'bucket'],
    ['maxbytes', 'maxBytes'],
    ['maxKeysBytes', 'maxKeyBytes'],
    ['ulr', undefined],
    ['uri', 'url'],
    ['something', undefined],
    ['', undefined],
  ] as const)
    it(`returns ${String(expected)} for ${JSON.stringify(name)}`, () => {
      expect(nearest(name, candidates)).to.equal(expected);
    });
});
