import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { expect } from 'chai';

import { EmbeddedCluster } from '../../../src/embedded/index.ts';
import { LimitedFolder } from '../../support/limited-folder.ts';
import { type CliResult, runCli, startCli, startCliInTerminal } from '../../support/service/cli.ts';
import { type CliWorld, cliWorld } from '../../support/service/cli-world.ts';

const printed = /^sha256:[0-9a-f]{64} [0-9]+\n$/;

describe('kubernetes-worker cp', () => {
  let cluster: EmbeddedCluster;
  let world: CliWorld;
  let handle: string;
  let source: string;
  let run = 0;

  before(async () => {
    cluster = await EmbeddedCluster.start();
    world = await cliWorld({ kubeconfigPath: cluster.kubeconfigPath, namespace: 'default', image: 'busybox:1' });
    ({ handle } = (await world.container({ outputs: { big: 'big' } })).container);
    source = join(world.home, 'source');
    await mkdir(join(source, 'a', 'b'), { recursive: true });
    await writeFile(join(source, 'a', 'b', 'data'), randomBytes(200_000));
    await writeFile(join(source, 'run.sh'), '#!/bin/sh\n', { mode: 0o755 });
    await symlink('a/b/data', join(source, 'link'));
  });

  after(async () => {
    await world?.[Symbol.asyncDispose]();
    await cluster?.close();
  });

  const cp = (...args: readonly string[]): Promise<CliResult> =>
    runCli(['cp', ...args], { env: world.env, cwd: world.home });
  const fresh = (): string => {
    run += 1;
    return `${handle}:/kw-cli/work/t${run}`;
  };
  /** What is in the folder of this machine, apart from what a spec has made. */
  const left = async (): Promise<readonly string[]> =>
    (await readdir(world.home)).filter((name) => name.startsWith('.'));

  it('copies a folder in and out, with one digest', async () => {
    const remote = fresh();
    const up = await cp('source', remote);
    expect(up).to.include({ exitCode: 0, stderr: '' });
    expect(up.stdout).to.match(printed);
    const down = await cp(remote, 'copy');
    expect(down).to.deep.equal({ exitCode: 0, stdout: up.stdout, stderr: '' });
    execFileSync('diff', ['-r', source, join(world.home, 'copy')]);
    expect(await left()).to.deep.equal([]);
  });

  for (const name of ['archive.tar', 'archive.tar.gz', 'archive.tar.zst']) {
    it(`copies to and from ${name}, with one digest`, async () => {
      const [one, other] = [fresh(), fresh()];
      const up = await cp('source', one);
      const packed = await cp(one, name);
      const unpacked = await cp(name, other);
      const down = await cp(other, `copy-of-${name}.folder`);
      expect([packed.stdout, unpacked.stdout, down.stdout]).to.deep.equal([up.stdout, up.stdout, up.stdout]);
      const listed = execFileSync('tar', ['-tf', name], { cwd: world.home }).toString();
      expect(listed).to.contain('./a/b/data\n');
    });
  }

  it('copies from stdin and to stdout, where the archive is all of stdout', async () => {
    const remote = fresh();
    const archive = execFileSync('tar', ['-cf', '-', '-C', source, '.']);
    const up = await runCli(['cp', '-', remote], { env: world.env, stdin: archive });
    expect(up.stdout).to.equal(`sha256:${createHash('sha256').update(archive).digest('hex')} ${archive.length}\n`);
    const running = startCli(['cp', `${remote}/run.sh`, '-'], { env: world.env });
    const { exitCode, stdout, stderr } = await running.ended;
    expect([exitCode, printed.test(stderr)]).to.deep.equal([0, true]);
    expect(execFileSync('tar', ['-xOf', '-'], { input: stdout }).toString()).to.equal('#!/bin/sh\n');
  });

  it('copies a file to a name, and into a folder', async () => {
    const remote = fresh();
    expect((await cp('source/run.sh', `${remote}/renamed`)).exitCode).to.equal(0);
    expect((await cp('source/run.sh', `${remote}/`)).exitCode).to.equal(0);
    expect((await cp(`${remote}/renamed`, 'one.sh')).exitCode).to.equal(0);
    expect(await readFile(join(world.home, 'one.sh'), 'utf8')).to.equal('#!/bin/sh\n');
    await cp(remote, 'both');
    expect((await readdir(join(world.home, 'both'))).sort()).to.deep.equal(['renamed', 'run.sh']);
  });

  it('copies between containers and volumes', async () => {
    const { container: other } = await world.container();
    const { volume } = await world.worker.createVolumeForArtifact('main');
    const remote = fresh();
    const up = await cp('source', remote);
    const places = [
      remote,
      `volume:${volume.handle}`,
      `${other.handle}:/kw-cli/work/in`,
      `volume:${volume.handle}:sub`,
    ];
    for (const [index, place] of places.slice(1).entries())
      expect((await cp(places[index]!, place)).stdout).to.equal(up.stdout);
    expect((await cp(places.at(-1)!, 'through')).stdout).to.equal(up.stdout);
    execFileSync('diff', ['-r', source, join(world.home, 'through')]);
  });

  it('names what does not exist, and what is no volume', async () => {
    for (const [args, message] of [
      [['source', 'none:/x'], 'there is no container none'],
      [['source', 'volume:none'], 'there is no volume none'],
      [['source', `${handle}:/etc`], 'its volumes: /kw-cli/work'],
      [[`${handle}:/kw-cli/work/none`, 'x'], 'KW_ERR_FILE_NOT_FOUND'],
      [['none', `${handle}:/kw-cli/work`], 'cannot read none'],
    ] as const) {
      const { exitCode, stderr, stdout } = await cp(...args);
      expect([exitCode, stdout]).to.deep.equal([1, '']);
      expect(stderr).to.contain(message);
    }
    for (const args of [
      ['source', 'other'],
      ['source', `${handle}:relative`],
    ]) {
      const { exitCode, stderr } = await cp(...args);
      expect([exitCode, stderr === '']).to.deep.equal([64, false]);
    }
    expect(await left()).to.deep.equal([]);
  });

  it('leaves a target as it is, and replaces it with --force', async () => {
    const remote = fresh();
    await cp('source', remote);
    await mkdir(join(world.home, 'old'));
    await writeFile(join(world.home, 'old', 'kept'), '');
    const refused = await cp(remote, 'old');
    expect([refused.exitCode, await readdir(join(world.home, 'old'))]).to.deep.equal([64, ['kept']]);
    expect((await cp('--force', remote, 'old')).exitCode).to.equal(0);
    execFileSync('diff', ['-r', source, join(world.home, 'old')]);
  });

  it('leaves nothing half on a full disk', async function () {
    await using limited = await LimitedFolder.mountFor(this, 'size=1m');
    await writeFile(join(world.home, 'big'), randomBytes(3_000_000));
    const remote = fresh();
    await cp('big', `${remote}/big`);
    for (const target of ['folder', 'archive.tar', 'archive.tar.zst']) {
      const { exitCode, stderr } = await cp(remote, join(limited.folder, target));
      expect([exitCode, await readdir(limited.folder)]).to.deep.equal([1, []]);
      expect(stderr).to.contain('ENOSPC').and.to.contain('the target is as it was').and.not.to.contain('internal');
    }
  });

  it('leaves nothing half after SIGINT, in both directions', async () => {
    await writeFile(join(world.home, 'large'), '');
    execFileSync('truncate', ['-s', '4G', join(world.home, 'large')]);
    const up = startCli(['cp', 'large', `${handle}:/kw-cli/work/large`], { env: world.env, cwd: world.home });
    await up.waitFor('MiB');
    up.kill('SIGINT');
    expect((await up.ended).exitCode).to.equal(130);
    const task = await (await world.worker.lookupContainer(handle))!.run(
      { path: 'sh', args: ['-c', 'test ! -e large && truncate -s 4G big/large'], dir: '/kw-cli/work' },
      {},
    );
    expect(await task.wait()).to.include({ exitStatus: 0 });
    for (const target of ['out', 'out.tar.gz']) {
      const down = startCli(['cp', `${handle}:/kw-cli/work/big`, target], { env: world.env, cwd: world.home });
      await down.waitFor('MiB');
      expect(await left()).to.have.length(1);
      down.kill('SIGINT');
      expect((await down.ended).exitCode).to.equal(130);
      expect((await readdir(world.home)).filter((name) => name.includes('out'))).to.deep.equal([]);
    }
  });

  it('shows a bar in a terminal, and removes it at the end', async () => {
    await writeFile(join(world.home, 'random'), randomBytes(30_000_000));
    const terminal = startCliInTerminal(['cp', 'random', `${handle}:/kw-cli/work/random`], {
      env: world.env,
      cwd: world.home,
    });
    await terminal.waitFor('/s');
    const { exitCode, output } = await terminal.ended;
    expect(exitCode).to.equal(0);
    expect(output).to.match(/ {1,2}\d+% \[#*-*\] {2}[0-9.]+ [KM]iB of 28\.6 MiB {2}[0-9.]+ [KM]iB\/s {2}ETA \d:\d\d/);
    expect(output).to.match(/\r\x1b\[Ksha256:[0-9a-f]{64} \d+\r\n$/);
  });

  it('is interrupted by Ctrl-C in a terminal', async () => {
    const terminal = startCliInTerminal(['cp', 'large', `${handle}:/kw-cli/work/large`], {
      env: world.env,
      cwd: world.home,
    });
    await terminal.waitFor('/s');
    terminal.write('\x03');
    expect((await terminal.ended).exitCode).to.equal(130);
  });
});
