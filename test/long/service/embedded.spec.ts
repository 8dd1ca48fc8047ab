import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect } from 'chai';

import { runCli, startCli } from '../../support/service/cli.ts';

describe('kubernetes-worker embedded', () => {
  let home: string;

  before(async () => {
    home = await mkdtemp(join(tmpdir(), 'kw-embedded-cli-'));
  });

  after(() => rm(home, { recursive: true }));

  it('prints the path of its kubeconfig, and removes it with everything else at SIGINT', async () => {
    const [kubeconfig, directory] = [join(home, 'kubeconfig'), join(home, 'work')];
    const args = ['embedded', '--kubeconfig', kubeconfig, '--directory', directory, '--namespace', 'ci'];
    const running = startCli(args);
    await running.waitFor('\n');
    expect(running.stdout).to.equal(`${kubeconfig}\n`);
    expect(await readFile(kubeconfig, 'utf8')).to.contain('"ci"');
    expect((await stat(kubeconfig)).mode & 0o777).to.equal(0o600);
    running.kill('SIGINT');
    expect(await running.ended).to.include({ exitCode: 0, stderr: '' });
    expect([existsSync(kubeconfig), existsSync(directory)]).to.deep.equal([false, false]);
  });

  it('replaces no file, and refuses options of wrong values', async () => {
    const kubeconfig = join(home, 'mine');
    await writeFile(kubeconfig, 'mine');
    for (const [args, exitCode] of [
      [['--kubeconfig', kubeconfig], 1],
      [['--port', 'x'], 64],
      [['--port', '99999'], 64],
      [['--namespace', 'No'], 64],
      [['--isolation', 'some'], 64],
    ] as const) {
      const result = await runCli(['embedded', ...args]);
      expect([args, result.exitCode, result.stdout]).to.deep.equal([args, exitCode, '']);
      expect(result.stderr).to.not.contain('internal');
    }
    expect(await readFile(kubeconfig, 'utf8')).to.equal('mine');
  });
});
