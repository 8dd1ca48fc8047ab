import { execFileSync } from 'node:child_process';
import { chown, lstat, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect } from 'chai';

import { unpackTo } from '../../../../src/service/cli/copy/local-target.ts';
import { LimitedFolder } from '../../../support/limited-folder.ts';
import { rejection } from '../../../support/rejection.ts';
import { inChunks } from '../../../support/stores/archive-bytes.ts';
import { tarOf } from '../../../support/tar.ts';

const keep = { force: false };

function from(archive: Buffer): () => Promise<AsyncIterable<Uint8Array>> {
  return async () => inChunks(archive);
}

/** Makes the tests' process that of a user who is not root, to whom the folders belong, until the disposal. */
async function ordinaryUser(test: Mocha.Context, ...folders: readonly string[]): Promise<AsyncDisposable> {
  const { seteuid, geteuid } = process;
  if (geteuid?.() !== 0) return { [Symbol.asyncDispose]: async () => {} };
  const nobody = 65_534;
  for (const folder of folders) await chown(folder, nobody, nobody);
  try {
    seteuid?.(nobody);
  } catch (error) {
    console.log(`      skipped: root cannot become another user here: ${String(error)}`);
    test.skip();
  }
  return { [Symbol.asyncDispose]: async () => seteuid?.(0) };
}

describe('a local target of the command line', () => {
  let home: string;
  let source: string;
  let target: string;

  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), 'kw-folders-'));
    [source, target] = [join(home, 'source'), join(home, 'target')];
    await mkdir(source);
  });

  afterEach(async () => {
    await rm(home, { recursive: true, force: true });
  });

  const folder = (): Promise<Buffer> => tarOf({ './new': 'new' });
  const single = (): Promise<Buffer> => tarOf({ file: 'one' });

  it('stays as it was if the archive fails at its end', async () => {
    await mkdir(target);
    await writeFile(join(target, 'old'), 'old');
    const failing = async (): Promise<AsyncIterable<Uint8Array>> =>
      (async function* () {
        yield (await folder()).subarray(0, 1024);
        throw new Error('connection lost');
      })();
    expect((await rejection(unpackTo(target, failing, { force: true }))).message).to.equal('connection lost');
    expect(await readdir(target)).to.deep.equal(['old']);
    expect((await rejection(unpackTo(join(home, 'none'), failing, keep))).message).to.equal('connection lost');
    expect((await readdir(home)).sort()).to.deep.equal(['source', 'target']);
  });

  it('is refused before anything is read if it exists, unless it is an empty folder', async () => {
    await writeFile(target, 'file');
    await writeFile(join(source, 'old'), 'old');
    const never = (): never => {
      throw new Error('was opened');
    };
    for (const path of [source, target])
      expect((await rejection(unpackTo(path, never, keep))).message).to.equal(
        `${path} exists: use --force to replace it`,
      );
    const missing = join(home, 'none', 'x');
    expect((await rejection(unpackTo(missing, never, keep))).message).to.contain('does not exist');
  });

  it('may be an empty folder, which stays the same folder', async () => {
    const { ino } = await stat(source);
    await unpackTo(source, from(await folder()), keep);
    expect([await readdir(source), (await stat(source)).ino]).to.deep.equal([['new'], ino]);
  });

  it('is replaced as a whole with force', async () => {
    await writeFile(join(source, 'old'), 'old');
    await mkdir(join(source, 'new'));
    await unpackTo(source, from(await folder()), { force: true });
    expect(await readdir(source)).to.deep.equal(['new']);
    expect(await readFile(join(source, 'new'), 'utf8')).to.equal('new');
  });

  it('becomes a file if the source is one; within a folder it keeps its name', async () => {
    await unpackTo(target, from(await single()), keep);
    expect(await readFile(target, 'utf8')).to.equal('one');
    await unpackTo(join(home, 'made/'), from(await single()), keep);
    expect(await readdir(join(home, 'made'))).to.deep.equal(['file']);
    await writeFile(join(source, 'other'), '');
    await unpackTo(source, from(await single()), { force: true });
    expect((await readdir(source)).sort()).to.deep.equal(['file', 'other']);
  });

  it('is not replaced by a folder if it is a file', async () => {
    await writeFile(target, 'file');
    const error = await rejection(unpackTo(target, from(await folder()), { force: true }));
    expect(error.message).to.contain('is a file, and the source is a folder');
    expect(await readFile(target, 'utf8')).to.equal('file');
  });

  it('is refused if it is neither a file nor a folder, also by a link', async () => {
    execFileSync('mkfifo', [target]);
    const link = join(home, 'link');
    await symlink(target, link);
    for (const path of [target, link])
      expect((await rejection(unpackTo(path, from(await single()), { force: true }))).message).to.equal(
        `${path} is neither a file nor a folder`,
      );
    expect((await lstat(link)).isSymbolicLink()).to.equal(true);
  });

  it('may have a name of 255 bytes', async () => {
    const long = join(home, 'é'.repeat(127));
    await unpackTo(long, from(await single()), keep);
    expect(await readFile(long, 'utf8')).to.equal('one');
  });

  it('receives and replaces folders without the permission to write', async function () {
    await using _user = await ordinaryUser(this, home, source);
    const archive = await tarOf({ './deep': { type: 'directory', mode: 0o555 }, './deep/file': 'x' });
    await unpackTo(source, from(archive), keep);
    expect((await stat(join(source, 'deep'))).mode & 0o777).to.equal(0o555);
    await unpackTo(source, from(archive), { force: true });
    await unpackTo(source, from(await folder()), { force: true });
    expect(await readdir(source)).to.deep.equal(['new']);
  });

  it('is as it was when the disk is full', async function () {
    await using limited = await LimitedFolder.mountFor(this, 'size=1m');
    const archive = await tarOf({ './big': Buffer.alloc(2_000_000) });
    const error = await rejection(unpackTo(join(limited.folder, 'out'), from(archive), keep));
    expect(error).to.include({ code: 'ENOSPC' });
    expect(await readdir(limited.folder)).to.deep.equal([]);
  });
});
