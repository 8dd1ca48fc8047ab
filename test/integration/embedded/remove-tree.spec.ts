import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, lstat, mkdir, mkdtemp, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect } from 'chai';

import { EmbeddedCluster, type EmbeddedLogger } from '../../../src/embedded/index.ts';
import { removeTree } from '../../../src/embedded/remove-tree.ts';
import { rejection } from '../../support/rejection.ts';
import { ClusterClient } from './cluster-client.ts';

/**
 * Creates nested folders from the innermost to the outermost, so that every path is short, with a
 * file in each folder.
 */
async function makeDeep(path: string, depth: number, name: string): Promise<void> {
  let inner: string | undefined;
  for (let level = 0; level < depth; level += 1) {
    const outer = `${path}.${level % 2}`;
    await mkdir(outer);
    await writeFile(join(outer, 'file'), '');
    if (inner !== undefined) await rename(inner, join(outer, name));
    inner = outer;
  }
  if (inner !== undefined) await rename(inner, path);
}

describe('removing a tree', () => {
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'kw-remove-'));
  });

  afterEach(() => {
    execFileSync('rm', ['-rf', folder]);
  });

  it('removes files and folders whose names are not UTF-8', async () => {
    const tree = join(folder, 'tree');
    for (const name of ['\xe9', '\xe9/\xe8', '\xe9/\xe8/\xff'])
      await mkdir(Buffer.concat([Buffer.from(`${tree}-`), Buffer.from(name, 'latin1')]));
    await mkdir(tree);
    await rename(Buffer.concat([Buffer.from(`${tree}-`), Buffer.from([0xe9])]), Buffer.from(`${tree}/\xe9`, 'latin1'));
    await writeFile(Buffer.from(`${tree}/\xe9/file-\xe8`, 'latin1'), '');
    await removeTree(tree);
    expect(await readdir(folder)).to.deep.equal([]);
  });

  for (const [depth, length] of [
    [30, 255],
    [300, 14],
  ] as const) {
    it(`removes ${depth} nested folders with names of ${length} bytes, beyond the longest path that the kernel accepts`, async () => {
      await makeDeep(join(folder, 'deep'), depth, 'n'.repeat(length));
      await removeTree(join(folder, 'deep'));
      expect(await readdir(folder)).to.deep.equal([]);
    });
  }

  it('removes many files, links, and folders without permissions, and follows no link', async () => {
    const tree = join(folder, 'tree');
    await mkdir(join(tree, 'closed', 'in', 'side'), { recursive: true });
    await mkdir(join(folder, 'outside'));
    await writeFile(join(folder, 'outside', 'file'), 'kept');
    await Promise.all(Array.from({ length: 200 }, (_, index) => writeFile(join(tree, `file-${index}`), '')));
    await symlink(join(folder, 'outside'), join(tree, 'closed', 'link'));
    await symlink('nowhere', join(tree, 'dangling'));
    execFileSync('mkfifo', [join(tree, 'closed', 'fifo')]);
    for (const path of ['closed/in/side', 'closed/in', 'closed', '']) await chmod(join(tree, path), 0);
    await removeTree(tree);
    expect(await readdir(folder)).to.deep.equal(['outside']);
    expect(await readFile(join(folder, 'outside', 'file'), 'utf8')).to.equal('kept');
  });

  it('removes a file and a link, and accepts a missing path', async () => {
    await writeFile(join(folder, 'file'), '');
    await symlink(folder, join(folder, 'link'));
    for (const name of ['file', 'link', 'none', 'file/below'])
      await removeTree(join(folder, name)).catch(() => undefined);
    expect(await readdir(folder)).to.deep.equal([]);
    await removeTree(join(folder, 'none'));
  });
});

describe('An embedded cluster', () => {
  let folder: string;
  let environment: string | undefined;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'kw-clean-'));
    environment = process.env['TMPDIR'];
    process.env['TMPDIR'] = folder;
  });

  afterEach(async () => {
    if (environment === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = environment;
    await rm(folder, { recursive: true, force: true });
  });

  it('closes after a volume with paths beyond the longest that the kernel accepts, and another cluster starts', async () => {
    const cluster = await EmbeddedCluster.start({ isolation: 'mapped' });
    const client = new ClusterClient(cluster);
    await client.runScript('deep', 'sleep 100', {
      volumes: [{ name: 'v', emptyDir: {} }],
      containers: [{ name: 'main', image: 'x', volumeMounts: [{ name: 'v', mountPath: '/kw-deep' }] }],
    });
    await client.podInPhase('deep', 'Running');
    const [uid = ''] = await readdir(join(cluster.directory, 'pods'));
    await makeDeep(join(cluster.directory, 'pods', uid, 'volumes', 'v', 'deep'), 40, 'n'.repeat(200));
    await cluster.close();
    expect(existsSync(cluster.directory)).to.equal(false);
    const next = await EmbeddedCluster.start({ isolation: 'mapped' });
    await next.close();
  });

  it('starts if an entry of an earlier one cannot be removed, logs a warning, and removes the entry later', async function () {
    const base = join(folder, `kubernetes-worker-embedded-${process.getuid?.() ?? 0}`);
    const dead = join(base, 'dead');
    const work = join(dead, 'work');
    await mkdir(join(work, 'pods', 'stays'), { recursive: true });
    const record = { pid: 999_999_999, startTime: 1, boot: 'another', directory: work, ownsDirectory: true };
    await writeFile(join(dead, 'owner.json'), JSON.stringify(record));
    const stuck = join(work, 'pods', 'stays');
    try {
      execFileSync('mount', ['-t', 'tmpfs', 'none', stuck], { stdio: 'ignore' });
    } catch {
      console.log('      skipped: nothing may be mounted here, so everything can be removed');
      this.skip();
    }
    const warnings: string[] = [];
    const ignore = (): void => undefined;
    const logger: EmbeddedLogger = {
      debug: ignore,
      info: ignore,
      error: ignore,
      warn: (message) => void warnings.push(message),
    };
    try {
      const cluster = await EmbeddedCluster.start({ isolation: 'mapped', logger });
      await cluster.close();
      expect(warnings.join('\n')).to.contain('cleaning up after an earlier cluster failed').and.to.contain('EBUSY');
      expect((await lstat(join(dead, 'owner.json'))).isFile()).to.equal(true);
    } finally {
      execFileSync('umount', [stuck]);
    }
    await (await EmbeddedCluster.start({ isolation: 'mapped' })).close();
    expect(await readdir(base)).to.deep.equal([]);
  });

  it('rejects with a typed error if it cannot remove its own directory, after everything else', async function () {
    const cluster = await EmbeddedCluster.start({ isolation: 'mapped' });
    const stuck = join(cluster.directory, 'claims', 'stays');
    await mkdir(stuck, { recursive: true });
    try {
      execFileSync('mount', ['-t', 'tmpfs', 'none', stuck], { stdio: 'ignore' });
    } catch {
      await cluster.close();
      console.log('      skipped: nothing may be mounted here, so everything can be removed');
      this.skip();
    }
    try {
      expect(await rejection(cluster.close())).to.include({ code: 'KW_ERR_EMBEDDED_NOT_REMOVED' });
      expect(existsSync(cluster.kubeconfigPath)).to.equal(false);
    } finally {
      execFileSync('umount', [stuck]);
    }
  });
});
