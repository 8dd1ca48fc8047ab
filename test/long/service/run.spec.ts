import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { CoreV1Api, KubeConfig } from '@kubernetes/client-node';
import { expect } from 'chai';

import { EmbeddedCluster } from '../../../src/embedded/index.ts';
import { type CliResult, runCli, startCli, startCliInTerminal } from '../../support/service/cli.ts';
import { type CliWorld, cliWorld } from '../../support/service/cli-world.ts';

describe('kubernetes-worker run', () => {
  let cluster: EmbeddedCluster;
  let world: CliWorld;

  before(async () => {
    cluster = await EmbeddedCluster.start();
    world = await cliWorld({ kubeconfigPath: cluster.kubeconfigPath, namespace: 'default', image: 'busybox:1' });
    await mkdir(join(world.home, 'source'));
    await writeFile(join(world.home, 'source', 'number'), '42\n');
  });

  after(async () => {
    await world?.[Symbol.asyncDispose]();
    await cluster?.close();
  });

  afterEach(async () => {
    expect(await podsOf(cluster)).to.deep.equal([]);
    expect((await world.worker.listContainers()).containers).to.deep.equal([]);
  });

  const run = (...args: readonly string[]): Promise<CliResult> =>
    runCli(['run', ...args], { env: world.env, cwd: world.home });

  it('copies inputs in and outputs out, and exits with the status of the command', async () => {
    const script = 'cat; echo "$GREETING $(cat source/number)" > result/text; pwd >&2; exit 3';
    const options = ['--input', 'source:source', '--output', 'result=out', '--output', 'result/deep=deep.tar.gz'];
    const argv = [...options, '-i', '--env', 'GREETING=hi', 'busybox:1', '--', 'sh', '-c', script];
    const { exitCode, stdout, stderr } = await runCli(['run', ...argv], {
      env: world.env,
      cwd: world.home,
      stdin: 'from stdin',
    });
    expect([exitCode, stdout]).to.deep.equal([3, 'from stdin']);
    expect(await readFile(join(world.home, 'out', 'text'), 'utf8')).to.equal('hi 42\n');
    expect(await readdir(world.home)).to.include('deep.tar.gz');
    expect(stderr)
      .to.match(/^creating pod /)
      .and.to.contain('\n/work\n')
      .and.to.contain('input /work/source: ');
  });

  it('prints nothing of its own with --quiet', async () => {
    expect(await run('-q', '--input', 'source:/in', 'busybox:1', '--', 'cat', '/in/number')).to.deep.equal({
      exitCode: 0,
      stdout: '42\n',
      stderr: '',
    });
  });

  it('refuses wrong arguments before it creates anything', async () => {
    for (const args of [
      ['--input', 'none:/in'],
      ['--input', 'source'],
      ['--output', 'x'],
      ['--output', 'x=a', '--output', 'x=b'],
      ['--memory', 'much'],
      ['--cpu', '0'],
      ['--env', 'NAME'],
      ['--dir', 'relative'],
      ['--output', 'x=source'],
    ]) {
      const { exitCode, stderr } = await run(...args, 'busybox:1', '--', 'true');
      expect([exitCode, stderr === '', args]).to.deep.equal([64, false, args]);
      expect(stderr).to.not.contain('creating pod');
    }
  });

  it('deletes the container if the command cannot start, or its image cannot be pulled', async () => {
    const program = await run('busybox:1', '--', 'no-such-program');
    expect([program.exitCode, program.stderr.includes('KW_ERR_EXECUTABLE_NOT_FOUND')]).to.deep.equal([1, true]);
    const image = await run('does-not-exist:1', '--', 'true');
    expect([image.exitCode, image.stderr.includes('KW_ERR_IMAGE_PULL_FAILED')]).to.deep.equal([1, true]);
  });

  it('stops the command at SIGINT with TERM, and deletes the container', async () => {
    const script = 'trap "echo stopped; exit 3" TERM; echo ready; while :; do sleep 0.1; done';
    const running = startCli(['run', '-q', 'busybox:1', '--', 'sh', '-c', script], { env: world.env });
    await running.waitFor('ready');
    running.kill('SIGINT');
    expect(await running.ended).to.include({ exitCode: 130, stdout: 'ready\nstopped\n' });
  });

  it('passes Ctrl-C to a command with a terminal', async () => {
    const script = 'trap "echo caught; exit 8" INT; stty size; read -r x';
    const args = ['run', '-q', '-it', 'busybox:1', '--', 'sh', '-c', script];
    const terminal = startCliInTerminal(args, { env: world.env });
    await terminal.waitFor('24 80');
    terminal.write('\x03');
    const { exitCode, output } = await terminal.ended;
    expect([exitCode, output.includes('caught')]).to.deep.equal([8, true]);
  });

  it('deletes the container after a signal during its creation', async () => {
    using _slow = cluster.faults.add({ match: { subresource: 'exec' }, kind: 'delay', delayMs: 3_000 });
    const running = startCli(['run', 'busybox:1', '--', 'true'], { env: world.env });
    await running.waitFor('pulled');
    running.kill('SIGTERM');
    expect((await running.ended).exitCode).to.equal(143);
  });

  it('deletes the container after a closed terminal, which may send SIGHUP twice', async () => {
    using _slow = cluster.faults.add({ match: { subresource: 'exec' }, kind: 'delay', delayMs: 3_000 });
    const running = startCli(['run', 'busybox:1', '--', 'true'], { env: world.env });
    await running.waitFor('pulled');
    running.kill('SIGHUP');
    await new Promise((resolve) => setTimeout(resolve, 300));
    running.kill('SIGHUP');
    expect((await running.ended).exitCode).to.equal(129);
  });

  it('names what it leaves at a second signal', async () => {
    const script = 'trap "echo signalled" TERM; echo ready; while :; do sleep 0.1; done';
    const running = startCli(['run', '-q', 'busybox:1', '--', 'sh', '-c', script], { env: world.env });
    await running.waitFor('ready');
    const [pod] = await podsOf(cluster);
    running.kill('SIGINT');
    // Two signals at once would be one.
    await running.waitFor('signalled');
    running.kill('SIGINT');
    const { exitCode, stderr } = await running.ended;
    expect([exitCode, stderr.includes(`left behind: pod ${pod}`)]).to.deep.equal([130, true]);
    const { containers } = await world.worker.listContainers();
    for (const { owner } of containers)
      await world.worker.ownerFinished(owner, { deletePod: { gracePeriodSeconds: 0 } });
    await world.worker.reap();
  });

  context('when its process is killed', () => {
    /** The time until its reservation lapses is skipped. */
    const kill = async (): Promise<string> => {
      const running = startCli(['run', '-q', 'busybox:1', '--', 'sh', '-c', 'echo ready; sleep 600'], {
        env: world.env,
      });
      await running.waitFor('ready');
      running.kill('SIGKILL');
      await running.ended;
      const { containers } = await world.worker.listContainers({ ownerKind: 'cli-run' });
      expect((await reap('--dry-run')).deadRuns).to.deep.equal([]);
      await world.query('update kubernetes_worker.reservations set expires_at = now()');
      return containers[0]?.handle ?? '';
    };
    const reap = async (...flags: readonly string[]): Promise<{ readonly deadRuns: readonly string[] }> => {
      const { stdout } = await runCli(['reap', '--json', ...flags], { env: world.env });
      return JSON.parse(stdout) as { readonly deadRuns: readonly string[] };
    };

    it('leaves a container that the next reap deletes, once its reservation has lapsed', async () => {
      const handle = await kill();
      expect((await reap('--dry-run')).deadRuns).to.deep.equal([handle]);
      expect((await reap()).deadRuns).to.deep.equal([handle]);
    });

    it('leaves a container that the next run deletes', async () => {
      await kill();
      expect(await run('-q', 'busybox:1', '--', 'true')).to.include({ exitCode: 0 });
    });

    it('leaves a container that the leader of the service deletes', async () => {
      await kill();
      const ports = ['--status-port', '0', '--metrics-port', '0'];
      const serving = startCli(['serve', ...ports], { env: world.env });
      await serving.waitFor('its owner has finished');
      await until(async () => (await world.worker.listContainers()).containers.length === 0);
      serving.kill('SIGTERM');
      expect((await serving.ended).exitCode).to.equal(0);
    });
  });

  it('leaves no reservation', async () => {
    const before = await world.worker.reservations();
    await run('-q', 'busybox:1', '--', 'true');
    expect(await world.worker.reservations()).to.deep.equal(before);
  });

  it('needs neither a cluster nor a database with --embedded', async () => {
    const result = await runCli(['run', '-q', '--embedded', '--input', '.:/src', 'alpine', '--', 'ls', '/src/source'], {
      cwd: world.home,
    });
    expect(result).to.deep.equal({ exitCode: 0, stdout: 'number\n', stderr: '' });
  });

  it('ends the embedded cluster with everything in it at SIGINT', async () => {
    const args = ['run', '-q', '--embedded', 'alpine', '--', 'sh', '-c', 'echo "$KW_EMBEDDED"; sleep 30'];
    const running = startCli(args);
    await running.waitFor('\n');
    running.kill('SIGINT');
    expect((await running.ended).exitCode).to.equal(130);
  });
});

async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 100));
}

async function podsOf({ kubeconfigPath }: EmbeddedCluster): Promise<readonly (string | undefined)[]> {
  const config = new KubeConfig();
  config.loadFromFile(kubeconfigPath);
  const { items } = await config.makeApiClient(CoreV1Api).listNamespacedPod({ namespace: 'default' });
  return items.map(({ metadata }) => metadata?.name);
}
