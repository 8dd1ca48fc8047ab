import { expect } from 'chai';

import { checksums } from '../../../src/repository/postgres/migrations/checksums.ts';
import { migrations } from '../../../src/repository/postgres/migrations/index.ts';
import { computedChecksums } from '../../support/database/migration-statements.ts';

describe('the migrations', () => {
  it('have the checksums of `checksums.ts`, because the effect of a released one never changes', async () => {
    expect(await computedChecksums()).to.deep.equal(checksums);
  });

  it('are each compatible with an earlier one, or with none', () => {
    const names = Object.keys(migrations);
    for (const [name, { compatibleFrom }] of Object.entries(migrations)) {
      if (compatibleFrom === undefined) continue;
      expect(names).to.include(compatibleFrom);
      expect(compatibleFrom < name, name).to.equal(true);
    }
    expect(migrations['0019-compatible-from']?.compatibleFrom).to.equal('0017-volume-lists');
  });
});
