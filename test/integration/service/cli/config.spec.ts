import { expect } from 'chai';

import { runCli } from '../../../support/service/cli.ts';
import { ConfigFolder } from '../../../support/service/config-folder.ts';

describe('kubernetes-worker config, as a process', () => {
  let folder: ConfigFolder;

  before(async () => {
    folder = await ConfigFolder.create();
  });

  after(async () => {
    await folder.remove();
  });

  it('refuses an invalid file with the exit code 78, and prints a valid configuration without secrets', async () => {
    const [invalid, valid] = [
      await folder.write('invalid.yaml', 'worker: {name: ci}\nstore: {}\n'),
      await folder.write('valid.yaml', 'worker: {name: ci}\n'),
    ];
    const env = { KW_DATABASE_URL: 'postgres://u:planted@h/d' };
    const [refused, printed] = await Promise.all([
      runCli(['config', 'validate', invalid], { env }),
      runCli(['config', 'print', '--config', valid], { env }),
    ]);
    expect(refused).to.deep.equal({
      exitCode: 78,
      stdout: '',
      stderr: `${invalid}:2:1 store: unknown key; did you mean "stores"?\n`,
    });
    expect(printed).to.include({ exitCode: 0, stderr: '' });
    expect(printed.stdout).to.contain('url: "***"').and.to.not.contain('planted');
  });
});
