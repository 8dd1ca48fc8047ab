import { lstat, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';

import { expect } from 'chai';

import { encodeHeader, type NewEntry } from '../../../src/archives/tar/encode-header.ts';
import { unpackFolder } from '../../../src/index.ts';
import { LimitedFolder } from '../../support/limited-folder.ts';
import { rejection } from '../../support/rejection.ts';
import { inChunks } from '../../support/stores/archive-bytes.ts';
import { type TarEntry, tarOf } from '../../support/tar.ts';

/** Returns an archive of entries that tar-stream does not write. */
function archiveOf(...entries: readonly Partial<NewEntry>[]): Buffer {
  const headers = entries.map((entry) =>
    encodeHeader({ kind: 'file', name: './f', target: '', mode: 0o644, size: 0, mtimeNs: 0n, ...entry }),
  );
  return Buffer.concat([...headers, Buffer.alloc(1024)]);
}

describe('unpackFolder', () => {
  let home: string;
  let target: string;

  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), 'kw-folders-'));
    target = join(home, 'target');
  });

  afterEach(async () => {
    await rm(home, { recursive: true, force: true });
  });

  it('reports what it has unpacked', async () => {
    const folder = inChunks(
      await tarOf({ './': null, './d': null, './d/f': 'four', './l': { type: 'symlink', linkname: 'd' } }),
    );
    expect(await unpackFolder(folder, target)).to.deep.equal({ kind: 'folder', entries: 3, expandedBytes: 4 });
    const file = inChunks(await tarOf({ f: 'four' }));
    expect(await unpackFolder(file, join(home, 'one'))).to.deep.equal({ kind: 'file', entries: 1, expandedBytes: 4 });
    const empty = inChunks(await tarOf({ d: null }));
    expect(await unpackFolder(empty, join(home, 'two'))).to.deep.equal({
      kind: 'folder',
      entries: 1,
      expandedBytes: 0,
    });
  });

  it('fills an empty folder, which keeps its mode, and makes folders that have no entry', async () => {
    await mkdir(target, { mode: 0o700 });
    await unpackFolder(inChunks(await tarOf({ './': { type: 'directory', mode: 0o777 }, './a/b/c': 'x' })), target);
    expect((await stat(target)).mode & 0o777).to.equal(0o700);
    expect(await readFile(join(target, 'a/b/c'), 'utf8')).to.equal('x');
  });

  it('gives no file a set-id bit', async () => {
    await unpackFolder(inChunks(await tarOf({ './f': { mode: 0o6755, content: 'x' } })), target);
    expect((await stat(join(target, 'f'))).mode & 0o7777).to.equal(0o755);
  });

  it('sets the time of a global header, and keeps the target of a link as it is', async () => {
    const global = await tarOf({
      './f': { pax: { mtime: '1234.5' } },
      './l': { type: 'symlink', linkname: '../../x' },
    });
    await unpackFolder(inChunks(global), target);
    expect((await stat(join(target, 'f'))).mtimeMs).to.equal(1_234_500);
    expect((await lstat(join(target, 'l'))).isSymbolicLink()).to.equal(true);
  });

  it('refuses a folder that is not empty, and ends the archive', async () => {
    await mkdir(target);
    await writeFile(join(target, 'mine'), '');
    const archive = new PassThrough();
    const error = await rejection(unpackFolder(archive, target));
    expect(error).to.include({ code: 'KW_ERR_INVALID_SPEC', field: 'folder' });
    expect([archive.destroyed, await readdir(target)]).to.deep.equal([true, ['mine']]);
  });

  it('refuses invalid arguments, and names them', async () => {
    const archive = await tarOf({ './f': 'x' });
    for (const [source, folder, options, field] of [
      [archive.toString(), target, {}, 'archive'],
      [new PassThrough({ encoding: 'utf8' }).end(archive), target, {}, 'archive'],
      [inChunks(archive), '', {}, 'folder'],
      [inChunks(archive), target, { expandedLimitBytes: -1 }, 'expandedLimitBytes'],
      [inChunks(archive), target, { signal: 1 }, 'signal'],
    ] as readonly (readonly [source: unknown, folder: string, options: object, field: string])[]) {
      const error = await rejection(unpackFolder(source as AsyncIterable<Uint8Array>, folder, options));
      expect(error).to.include({ code: 'KW_ERR_INVALID_SPEC', field });
      expect(await readdir(home)).to.deep.equal([]);
    }
  });

  it('refuses more bytes than the limit, and leaves nothing', async () => {
    const archive = await tarOf({ './a': Buffer.alloc(1_000), './b': Buffer.alloc(1_000) });
    expect(await rejection(unpackFolder(inChunks(archive), target, { expandedLimitBytes: 1_999 }))).to.include({
      code: 'KW_ERR_ARTIFACT_TOO_LARGE',
      limitBytes: 1_999,
    });
    expect(await readdir(home)).to.deep.equal([]);
    await unpackFolder(inChunks(archive), target, { expandedLimitBytes: 2_000 });
  });

  it('rejects with the reason of the signal while the archive pauses, and leaves nothing', async () => {
    const archive = new PassThrough();
    archive.write((await tarOf({ './f': Buffer.alloc(5_000) })).subarray(0, 2_000));
    const [controller, reason] = [new AbortController(), new Error('enough')];
    const unpacking = unpackFolder(archive, target, { signal: controller.signal });
    while ((await readdir(home)).length === 0) await new Promise(setImmediate);
    controller.abort(reason);
    expect(await rejection(unpacking)).to.equal(reason);
    expect([archive.destroyed, await readdir(home)]).to.deep.equal([true, []]);
  });

  it('leaves nothing if the archive fails, and an empty folder if there was one', async () => {
    const failing = async function* (): AsyncGenerator<Uint8Array> {
      yield (await tarOf({ './d/f': 'x' })).subarray(0, 1024);
      throw new Error('connection lost');
    };
    expect((await rejection(unpackFolder(failing(), target))).message).to.equal('connection lost');
    expect(await readdir(home)).to.deep.equal([]);
    await mkdir(target);
    expect((await rejection(unpackFolder(failing(), target))).message).to.equal('connection lost');
    expect(await readdir(target)).to.deep.equal([]);
  });

  it('leaves nothing on a full disk', async function () {
    await using limited = await LimitedFolder.mountFor(this, 'size=1m');
    const archive = await tarOf({ './small': 'x', './big': Buffer.alloc(2_000_000) });
    const error = await rejection(unpackFolder(inChunks(archive), join(limited.folder, 'out')));
    expect(error).to.include({ code: 'ENOSPC' });
    expect(await readdir(limited.folder)).to.deep.equal([]);
  });

  describe('of a hostile archive', () => {
    const toParent = { type: 'symlink', linkname: '..' } as const;
    const hostile: Readonly<Record<string, readonly [code: string, entries: Readonly<Record<string, TarEntry>>]>> = {
      'a name with ..': ['UNSAFE_ARCHIVE_PATH', { './a/../../evil': 'x' }],
      'an absolute name': ['UNSAFE_ARCHIVE_PATH', { '/evil': 'x' }],
      'a file through a symbolic link': ['PATH_CONFLICT', { './l': toParent, './l/evil': 'x' }],
      'a folder through a symbolic link': ['PATH_CONFLICT', { './l': toParent, './l/evil/': null }],
      'a folder over a link': ['PATH_CONFLICT', { './l': toParent, './l/': { type: 'directory', mode: 0o777 } }],
      'a file within a file': ['PATH_CONFLICT', { './f': 'x', './f/evil': 'x' }],
      'a hard link to a file outside': ['UNSAFE_ARCHIVE_PATH', { './evil': { type: 'link', linkname: '../victim' } }],
      'a hard link to an absolute path': [
        'UNSAFE_ARCHIVE_PATH',
        { './evil': { type: 'link', linkname: '/etc/passwd' } },
      ],
      'a hard link through a link': [
        'CORRUPT_ARCHIVE',
        { './l': toParent, './evil': { type: 'link', linkname: './l/victim' } },
      ],
      'a hard link to a folder': ['CORRUPT_ARCHIVE', { './d': null, './evil': { type: 'link', linkname: './d' } }],
      'the folder itself as a link': ['CORRUPT_ARCHIVE', { './': { type: 'symlink', linkname: '/etc' } }],
      'a device': ['UNSUPPORTED_ENTRY', { './evil': { type: 'character-device', devmajor: 1, devminor: 3 } }],
      'a FIFO': ['UNSUPPORTED_ENTRY', { './evil': { type: 'fifo' } }],
      'a sparse file': ['UNSUPPORTED_ENTRY', { './evil': { pax: { 'GNU.sparse.realsize': '9' }, content: 'x' } }],
    };

    for (const [title, [code, entries]] of Object.entries(hostile)) {
      it(`refuses ${title}, and changes nothing`, async () => {
        await writeFile(join(home, 'victim'), 'as it was');
        const error = await rejection(unpackFolder(inChunks(await tarOf(entries)), target));
        expect(error).to.include({ code: `KW_ERR_${code}`, retryable: false });
        expect(error.message).to.not.contain('volume');
        expect(await readdir(home)).to.deep.equal(['victim']);
        expect(await readFile(join(home, 'victim'), 'utf8')).to.equal('as it was');
        expect((await lstat(home)).mode & 0o777).to.equal(0o700);
      });
    }

    it('refuses a name that occurs twice, also after a link', async () => {
      for (const first of [{}, { kind: 'symlink', target: '../evil' }] as const) {
        const error = await rejection(unpackFolder(inChunks(archiveOf(first, {})), target));
        expect(error).to.include({ code: 'KW_ERR_CORRUPT_ARCHIVE', entry: 'f' });
        expect(await readdir(home)).to.deep.equal([]);
      }
    });

    it('follows no link that takes the place of the folder', async () => {
      await mkdir(join(home, 'other'));
      await symlink(join(home, 'nowhere'), target);
      expect(await rejection(unpackFolder(inChunks(archiveOf({})), target))).to.include({ code: 'ENOENT' });
      expect((await readdir(home)).sort()).to.deep.equal(['other', 'target']);
    });

    for (const [title, damage, code] of [
      ['is cut', (archive: Buffer) => archive.subarray(0, 700), 'TRUNCATED_ARCHIVE'],
      ['is cut after an entry', (archive: Buffer) => archive.subarray(0, 1536), 'TRUNCATED_ARCHIVE'],
      ['has a flipped byte in a header', (archive: Buffer) => archive.fill(1, 10, 11), 'CORRUPT_ARCHIVE'],
      ['is something else', () => Buffer.alloc(2048, 'a'), 'CORRUPT_ARCHIVE'],
      ['is empty', () => Buffer.alloc(0), 'TRUNCATED_ARCHIVE'],
    ] as const) {
      it(`refuses it if it ${title}`, async () => {
        const archive = damage(await tarOf({ './f': 'x'.repeat(600) }));
        expect(await rejection(unpackFolder(inChunks(archive), target))).to.include({ code: `KW_ERR_${code}` });
        expect(await readdir(home)).to.deep.equal([]);
      });
    }
  });
});
