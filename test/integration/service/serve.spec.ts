import { expect } from 'chai';

import { runCli } from '../../support/service/cli.ts';

describe('kubernetes-worker serve', () => {
  it('exits with 78 for an invalid configuration, with all that is wrong, before it listens', async () => {
    const env = { KW_DATABASE_MIGRATE: 'maybe', KW_REAPER_EVERY_MS: 'often' };
    const { exitCode, stdout, stderr } = await runCli(['serve'], { env });
    expect(exitCode).to.equal(78);
    expect(stderr).to.contain('database.migrate').and.to.contain('reaper.everyMs');
    expect(stdout).to.equal('');
  });
});
