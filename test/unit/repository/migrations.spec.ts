import { expect } from 'chai';

import { checksums } from '../../../src/repository/postgres/migrations/checksums.ts';
import { computedChecksums } from '../../support/database/migration-statements.ts';

describe('the migrations', () => {
  it('have the checksums of `checksums.ts`, because the effect of a released one never changes', async () => {
    expect(await computedChecksums()).to.deep.equal(checksums);
  });
});
