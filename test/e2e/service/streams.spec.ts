import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { CoreV1Api } from '@kubernetes/client-node';
import { expect } from 'chai';

import { type RealCluster, realCluster, shellImage } from '../../support/real-cluster.ts';
import { runCli, startCli, startCliInTerminal } from '../../support/service/cli.ts';
import { type CliWorld, cliWorld } from '../../support/service/cli-world.ts';

describe('the streams of the command line on a real cluster', function () {
  this.timeout(120_000);
  let real: RealCluster;
  let world: CliWorld;
  let handle: string;
  let source: string;

  before(async function () {
    real = await realCluster(this, 'cli-streams');
    const { kubeconfigPath, namespace } = real;
    world = await cliWorld({ kubeconfigPath, namespace, image: shellImage });
    ({ handle } = (await world.container({ dir: '/work' })).container);
    source = join(world.home, 'source');
    await mkdir(join(source, 'a', 'b'), { recursive: true });
    for (let index = 0; index < 50; index += 1)
      await writeFile(join(source, 'a', 'b', `file ${index}`), randomBytes(10_000), {
        mode: index % 2 ? 0o644 : 0o700,
      });
    await symlink('a/b/file 1', join(source, 'link'));
  });

  after(async () => {
    await world?.[Symbol.asyncDispose]();
    await real?.remove();
  });

  it('copy a tree in and out, with one digest', async () => {
    const remote = `${handle}:/work/source`;
    const up = await runCli(['cp', '-q', source, remote], { env: world.env });
    expect(up.stdout).to.match(/^sha256:[0-9a-f]{64} \d+\n$/);
    const down = await runCli(['cp', '-q', remote, join(world.home, 'copy')], { env: world.env });
    expect(down).to.deep.equal(up);
    execFileSync('diff', ['-r', source, join(world.home, 'copy')]);
  });

  it('give a command a terminal, whose size follows', async () => {
    const script = 'stty size; while read -r x; do stty size; done; exit 5';
    const terminal = startCliInTerminal(['exec', handle, '--', 'sh', '-c', script], { env: world.env });
    await terminal.waitFor('24 80');
    terminal.resize(99, 44);
    // The first key may arrive before the size.
    while (!terminal.output.includes('44 99')) {
      terminal.write('\r');
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    terminal.write('\x04');
    expect((await terminal.ended).exitCode).to.equal(5);
  });

  it('run a command with an input and an output', async () => {
    const target = join(world.home, 'result.tar.gz');
    const script = 'ls source/a/b | wc -l; cp -r source out/; exit 3';
    const args = ['--input', `${source}:source`, '--output', `out=${target}`, shellImage, '--', 'sh', '-c', script];
    const { exitCode, stdout, stderr } = await runCli(['run', ...args], { env: world.env });
    expect([exitCode, stdout.trim()]).to.deep.equal([3, '50']);
    expect(stderr).to.contain('scheduled on ').and.to.contain('input /work/source: ');
    expect(execFileSync('tar', ['-tzf', target]).toString()).to.contain('./source/a/b/file 49\n');
  });

  it('stop a command at Ctrl-C, and leave no pod', async () => {
    const pods = async (): Promise<readonly (string | undefined)[]> => {
      const { items } = await real.kubeConfig.makeApiClient(CoreV1Api).listNamespacedPod({ namespace: real.namespace });
      return items.map(({ metadata }) => metadata?.name);
    };
    const before = await pods();
    const script = 'trap "echo stopped; exit" TERM; echo ready; while :; do sleep 0.1; done';
    const running = startCli(['run', '-q', shellImage, '--', 'sh', '-c', script], { env: world.env });
    await running.waitFor('ready');
    expect(await pods()).to.have.length(before.length + 1);
    running.kill('SIGINT');
    expect(await running.ended).to.include({ exitCode: 130, stdout: 'ready\nstopped\n' });
    expect(await pods()).to.deep.equal(before);
  });
});
