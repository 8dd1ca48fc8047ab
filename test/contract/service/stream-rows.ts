import { execFileSync } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdir, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { expect } from 'chai';
import { processesWith } from '../../support/processes-with.ts';
import type { CliResult } from '../../support/service/cli.ts';
import type { CommandRig } from '../../support/service/command-rig.ts';
import type { CommandRow } from './command-row.ts';

const printed = /^sha256:[0-9a-f]{64} \d+\n$/;
/** A command that ends in order at TERM. */
const stoppable = 'trap "echo stopped; exit" TERM; echo ready; while :; do sleep 0.1; done';

/** Makes a folder of files, and returns its path. */
async function makeTree(rig: CommandRig): Promise<string> {
  const tree = join(rig.world.home, `tree-${randomUUID()}`);
  await mkdir(join(tree, 'deep'), { recursive: true });
  await writeFile(join(tree, 'deep', 'data'), randomBytes(200_000), { mode: 0o640 });
  await symlink('deep/data', join(tree, 'link'));
  return tree;
}

const inContainer = ({ handle }: CommandRig): string => `${handle}:/kw-cli/work/${randomUUID()}`;

export const execRow: CommandRow = {
  args: ({ handle }) => [handle, '--', 'echo', 'done'],
  refused: [[], ['h'], ['h', '--env', 'NAME', '--', 'true']],
  withoutCluster: 69,
  withoutDatabase: 69,
  withoutWorker: 78,
  works: async (rig) => {
    const piped = await rig.run([
      'exec',
      rig.handle,
      '-e',
      'WHO=me',
      '--',
      'sh',
      '-c',
      'echo "$WHO"; echo err >&2; exit 7',
    ]);
    expect(piped).to.deep.equal({ exitCode: 7, stdout: 'me\n', stderr: 'err\n' });
    const stopped = rig.start(['exec', rig.handle, '--', 'sh', '-c', stoppable]);
    await stopped.waitFor('ready');
    stopped.kill('SIGINT');
    expect(await stopped.ended).to.include({ exitCode: 130, stdout: 'ready\nstopped\n' });
    const script = 'trap "echo caught" INT; stty size; while read -r x; do stty size; done; read -r y; exit 5';
    const terminal = rig.inTerminal(['exec', rig.handle, '--', 'sh', '-c', script]);
    await terminal.waitFor('24 80');
    terminal.resize(99, 44);
    // The first key may arrive before the size.
    while (!terminal.output.includes('44 99')) {
      terminal.write('\r');
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    terminal.write('\x03');
    await terminal.waitFor('caught');
    terminal.write('\r\x04');
    expect((await terminal.ended).exitCode).to.equal(5);
  },
  killed: async (rig) => {
    const running = rig.start(['exec', rig.handle, '--', 'sh', '-c', 'echo ready; sleep 1; echo end > killed-exec']);
    await running.waitFor('ready');
    running.kill('SIGKILL');
    await running.ended;
    // The command runs on in its pod, and the container takes others.
    const script = 'while [ ! -s killed-exec ]; do sleep 0.1; done; cat killed-exec';
    expect((await rig.run(['exec', rig.handle, '--', 'sh', '-c', script])).stdout).to.equal('end\n');
  },
};

export const cpRow: CommandRow = {
  args: ({ handle }) => ['-q', `${handle}:/kw-cli/work`, `copy-${randomUUID()}`],
  refused: [[], ['a'], ['a', 'b'], ['a', 'h:relative'], ['a', 'h:/b', 'c']],
  withoutCluster: 69,
  withoutDatabase: 69,
  withoutWorker: 78,
  works: async (rig) => {
    const { world } = rig;
    const tree = await makeTree(rig);
    const remote = inContainer(rig);
    const { volume } = await world.worker.createVolumeForArtifact('main');
    // One tree has one digest on all ways: folders, archives, containers and volumes.
    const archive = join(world.home, `${randomUUID()}.tar.zst`);
    const copy = join(world.home, randomUUID());
    const ways = [
      [tree, remote],
      [remote, archive],
      [archive, `volume:${volume.handle}`],
      [`volume:${volume.handle}`, inContainer(rig)],
      [`volume:${volume.handle}`, copy],
    ] as const;
    const results: CliResult[] = [];
    for (const way of ways) results.push(await rig.run(['cp', '-q', ...way]));
    expect(results[0]!.stdout).to.match(printed);
    expect(results).to.deep.equal(ways.map(() => ({ exitCode: 0, stdout: results[0]!.stdout, stderr: '' })));
    execFileSync('diff', ['-r', tree, copy]);
    expect(await rig.run(['cp', '-q', remote, copy])).to.include({ exitCode: 64, stdout: '' });
    await writeFile(join(world.home, 'random'), randomBytes(20_000_000));
    const terminal = rig.inTerminal(['cp', 'random', `${remote}/random`]);
    await terminal.waitFor('/s');
    const { exitCode, output } = await terminal.ended;
    expect([
      exitCode,
      /% \[#*-*\] .* of 19\.1 MiB/.test(output),
      /\r\x1b\[Ksha256:[0-9a-f]{64} \d+\r\n$/.test(output),
    ]).to.deep.equal([0, true, true]);
  },
  killed: async (rig) => {
    const { home } = rig.world;
    const remote = inContainer(rig);
    await writeFile(join(home, 'sparse'), '');
    execFileSync('truncate', ['-s', '4G', join(home, 'sparse')]);
    const up = rig.start(['cp', 'sparse', `${remote}/sparse`]);
    await up.waitFor('MiB');
    up.kill('SIGKILL');
    await up.ended;
    await rm(join(home, 'sparse'));
    // The volume takes the next upload, and has nothing of the killed one.
    const tree = await makeTree(rig);
    expect((await rig.run(['cp', '-q', tree, remote])).exitCode).to.equal(0);
    const target = join(home, randomUUID());
    expect((await rig.run(['cp', '-q', remote, target])).exitCode).to.equal(0);
    expect((await readdir(target)).sort()).to.deep.equal(['deep', 'link']);
    const big = [
      'exec',
      rig.handle,
      '--',
      'sh',
      '-c',
      'mkdir big; truncate -s 4G big/sparse || dd if=/dev/zero of=big/sparse bs=1 count=0 seek=4G',
    ];
    expect((await rig.run(big)).exitCode).to.equal(0);
    const down = rig.start(['cp', '--force', `${rig.handle}:/kw-cli/work/big`, target]);
    await down.waitFor('MiB');
    down.kill('SIGKILL');
    await down.ended;
    await rig.run(['exec', rig.handle, '--', 'rm', '-r', 'big']);
    // The target is as it was, beside a hidden folder.
    const left = (await readdir(target)).filter((name) => !name.startsWith('.'));
    expect(left.sort()).to.deep.equal(['deep', 'link']);
    execFileSync('diff', [join(tree, 'deep', 'data'), join(target, 'deep', 'data')]);
    await rm(target, { recursive: true });
  },
  onFullDisk: async (rig, folder) => {
    await writeFile(join(rig.world.home, 'large'), randomBytes(3_000_000));
    const remote = inContainer(rig);
    expect((await rig.run(['cp', '-q', 'large', `${remote}/large`])).exitCode).to.equal(0);
    for (const target of ['folder', 'archive.tar', 'archive.tar.zst']) {
      const { exitCode, stdout, stderr } = await rig.run(['cp', '-q', remote, join(folder, target)]);
      expect([exitCode, stdout, await readdir(folder)]).to.deep.equal([1, '', []]);
      expect(stderr).to.contain('ENOSPC').and.to.contain('the target is as it was').and.to.not.contain('internal');
    }
  },
};

export const runRow: CommandRow = {
  args: ({ image }) => ['-q', image, '--', 'echo', 'done'],
  refused: [[], ['image'], ['--input', 'x', 'image', '--', 'true'], ['--memory', 'much', 'image', '--', 'true']],
  withoutCluster: 69,
  withoutDatabase: 69,
  works: async (rig) => {
    const { home } = rig.world;
    const pods = await rig.podNames();
    const tree = await makeTree(rig);
    const output = join(home, `${randomUUID()}.tar.gz`);
    const options = ['--input', `${tree}:in`, '--output', `out=${output}`];
    const ran = await rig.run(['run', ...options, rig.image, '--', 'sh', '-c', 'cp -r in out/; ls in; exit 3']);
    expect([ran.exitCode, ran.stdout], ran.stderr).to.deep.equal([3, 'deep\nlink\n']);
    expect(ran.stderr).to.contain('input /work/in: ');
    expect(execFileSync('tar', ['-tzf', output]).toString()).to.contain('./in/deep/data\n');
    const stopped = rig.start(['run', '-q', rig.image, '--', 'sh', '-c', stoppable]);
    await stopped.waitFor('ready');
    stopped.kill('SIGINT');
    expect(await stopped.ended).to.include({ exitCode: 130, stdout: 'ready\nstopped\n' });
    expect(await rig.podNames()).to.deep.equal(pods);
    const none = { KW_WORKER_KUBECONFIG: '/none', KW_DATABASE_URL: 'postgres://x@127.0.0.1:1/x' };
    const embedded = ['run', '-q', '--embedded', '--input', `${tree}:/in`, 'any', '--', 'ls', '/in'];
    expect(await rig.run(embedded, none)).to.deep.equal({ exitCode: 0, stdout: 'deep\nlink\n', stderr: '' });
  },
  killed: async (rig) => {
    const seconds = `98765.${Date.now()}`;
    const args = ['run', '-q', '--embedded', 'any', '--', 'sh', '-c', `echo ready; exec sleep ${seconds}`];
    const running = rig.start(args);
    await running.waitFor('ready');
    expect(await processesWith(seconds)).to.not.deep.equal([]);
    running.kill('SIGKILL');
    await running.ended;
    // The next embedded cluster of this machine ends what the killed one has left.
    expect((await rig.run(['run', '-q', '--embedded', 'any', '--', 'true'])).exitCode).to.equal(0);
    expect(await processesWith(seconds)).to.deep.equal([]);
  },
  onFullDisk: async (rig, folder) => {
    const script = 'head -c 3000000 /dev/zero > out/large; exit 4';
    const target = join(folder, 'result');
    const args = ['run', '-q', '--output', `out=${target}`, rig.image, '--', 'sh', '-c', script];
    const { exitCode, stderr } = await rig.run(args);
    expect([exitCode, await readdir(folder)], stderr).to.deep.equal([1, []]);
    expect(stderr).to.contain('ENOSPC').and.to.not.contain('internal');
    expect((await rig.world.worker.listContainers({ ownerKind: 'cli-run' })).containers).to.deep.equal([]);
  },
};
