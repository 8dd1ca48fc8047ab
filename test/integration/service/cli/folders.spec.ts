import { execFileSync } from 'node:child_process';
import {
  chmod,
  link,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';

import { expect } from 'chai';
import fc from 'fast-check';

import { unpackTo } from '../../../../src/service/cli/folder/local-target.ts';
import { packedSize, packFolder } from '../../../../src/service/cli/folder/pack-folder.ts';
import { LimitedFolder } from '../../../support/limited-folder.ts';
import { rejection } from '../../../support/rejection.ts';
import { readTar, type TarEntry, tarOf } from '../../../support/tar.ts';

const keep = { force: false };

function from(archive: Buffer, chunkBytes = archive.length): () => Promise<AsyncIterable<Uint8Array>> {
  return async () =>
    (async function* () {
      for (let at = 0; at < archive.length; at += chunkBytes) yield archive.subarray(at, at + chunkBytes);
    })();
}

function packed(path: string): Promise<Buffer> {
  return buffer(Readable.from(packFolder(path)));
}

describe('folders and archives', () => {
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

  describe('a packed folder', () => {
    it('is the same archive each time, and unpacks to the same tree with modes, times and links', async () => {
      await mkdir(join(source, 'a', 'deep'), { recursive: true });
      await writeFile(join(source, 'a', 'run.sh'), '#!/bin/sh\n', { mode: 0o755 });
      await writeFile(join(source, 'a', 'deep', 'secret'), 'x'.repeat(300_000), { mode: 0o400 });
      await link(join(source, 'a', 'run.sh'), join(source, 'same.sh'));
      await symlink('../../outside', join(source, 'a', 'link'));
      await symlink('loop', join(source, 'loop'));
      await mkdir(join(source, 'closed'), { mode: 0o500 });
      await utimes(join(source, 'a'), 1_234_567.25, 1_234_567.123456);
      const archive = await packed(source);
      expect((await packed(source)).equals(archive)).to.equal(true);
      await unpackTo(target, from(archive, 1000), keep);
      expect((await packed(target)).equals(archive)).to.equal(true);
      expect((await stat(join(target, 'a', 'deep', 'secret'))).mode & 0o7777).to.equal(0o400);
      expect((await stat(join(target, 'closed'))).mode & 0o7777).to.equal(0o500);
      expect((await stat(join(target, 'a'))).mtimeMs).to.be.closeTo(1_234_567_123.456, 0.001);
      expect(await readlink(join(target, 'a', 'link'))).to.equal('../../outside');
      expect((await stat(join(target, 'same.sh'))).ino).to.equal((await stat(join(target, 'a', 'run.sh'))).ino);
      expect(await readdir(home)).to.have.members(['source', 'target']);
    });

    it('has odd names: of other encodings, with line feeds, and longer than a header', async () => {
      const names = [
        Buffer.from([0x66, 0xfc, 0xff]),
        Buffer.from('a\nb'),
        Buffer.from('-rf *'),
        Buffer.from('ü'.repeat(120)),
        Buffer.concat([Buffer.from('l'.repeat(150)), Buffer.from([0xfe])]),
      ];
      for (const name of names) await writeFile(Buffer.concat([Buffer.from(`${source}/`), name]), 'x');
      const archive = await packed(source);
      await unpackTo(target, from(archive), keep);
      const found = await readdir(target, { encoding: 'buffer' });
      expect(found.map((name) => name.toString('hex')).sort()).to.deep.equal(
        names.map((name) => name.toString('hex')).sort(),
      );
      expect((await packed(target)).equals(archive)).to.equal(true);
    });

    it('is read by tar and by tar-stream', async () => {
      await mkdir(join(source, 'd'.repeat(120), 'e'.repeat(120)), { recursive: true });
      await writeFile(join(source, 'd'.repeat(120), 'e'.repeat(120), 'f'), 'content');
      await utimes(source, -1.5, -1.5);
      const archive = await packed(source);
      const names = [...(await readTar(archive)).keys()];
      const listed = execFileSync('tar', ['-tf', '-'], { input: archive }).toString();
      expect(listed.split('\n').map((line) => line.replace(/^\.\/|\/$/g, ''))).to.deep.equal([...names, '']);
    });

    it('survives any tree: what is unpacked packs to the same bytes', async () => {
      const file = fc.record({ bytes: fc.uint8Array({ maxLength: 2000 }), mode: fc.constantFrom(0o600, 0o755, 0o444) });
      const name = fc.stringMatching(/^[a-c.]{1,3}$/).filter((text) => !/^\.\.?$/.test(text));
      const path = fc.array(name, { minLength: 1, maxLength: 3 });
      const tree = fc.array(fc.tuple(path, fc.oneof(file, fc.stringMatching(/^[a-z]{1,4}$/))), { maxLength: 8 });
      let run = 0;
      await fc.assert(
        fc.asyncProperty(tree, async (entries) => {
          run += 1;
          const [one, other] = [join(home, `s${run}`), join(home, `t${run}`)];
          await mkdir(one);
          for (const [parts, entry] of entries) await place(join(one, ...parts), entry);
          const archive = await packed(one);
          await unpackTo(other, from(archive, 777), keep);
          expect((await packed(other)).equals(archive)).to.equal(true);
        }),
        { numRuns: 25 },
      );
    });

    it('leaves out sockets and fifos, and reports them', async () => {
      execFileSync('mkfifo', [join(source, 'fifo')]);
      const skipped: string[] = [];
      const archive = await buffer(Readable.from(packFolder(source, { skipped: (path) => skipped.push(path) })));
      expect([(await readTar(archive)).size, skipped]).to.deep.equal([0, [join(source, 'fifo')]]);
    });

    it('rejects if a file becomes shorter while it is read', async () => {
      await writeFile(join(source, 'log'), Buffer.alloc(1_000_000));
      const reading = packFolder(source)[Symbol.asyncIterator]();
      await reading.next();
      await truncate(join(source, 'log'), 10);
      const rest = (async () => {
        while ((await reading.next()).done !== true);
      })();
      expect((await rejection(rest)).message).to.equal(`${join(source, 'log')} became shorter while it was read`);
    });

    it('has the size that is estimated for it', async () => {
      await mkdir(join(source, 'd'));
      await writeFile(join(source, 'd', 'f'), 'x'.repeat(513));
      for (const path of [join(source, 'd', 'f'), join(source, 'd'), source])
        await utimes(path, 1_700_000_000, 1_700_000_000);
      expect((await packed(source)).length).to.equal(await packedSize(source));
      expect((await packed(join(source, 'd', 'f'))).length).to.equal(await packedSize(join(source, 'd', 'f')));
    });
  });

  describe('a hostile archive', () => {
    const hostile: Readonly<Record<string, Readonly<Record<string, TarEntry>>>> = {
      'a name with ..': { './a/../../evil': 'x' },
      'an absolute name': { '/evil': 'x' },
      'a file through a symbolic link': { './l': { type: 'symlink', linkname: '../..' }, './l/evil': 'x' },
      'a folder through a symbolic link': { './l': { type: 'symlink', linkname: '../..' }, './l/evil/': null },
      'a file in the place of a link': { './evil': { type: 'symlink', linkname: '../evil' }, './evil ': 'x' },
      'a hard link to a file outside': { './evil': { type: 'link', linkname: '../victim' } },
      'a hard link to an absolute path': { './evil': { type: 'link', linkname: '/etc/passwd' } },
      'a hard link through a link': {
        './l': { type: 'symlink', linkname: '../..' },
        './evil': { type: 'link', linkname: './l/victim' },
      },
      'the folder itself as a link': { './': { type: 'symlink', linkname: '/etc' } },
      'a device': { './evil': { type: 'character-device', devmajor: 1, devminor: 3 } },
      'a fifo': { './evil': { type: 'fifo' } },
      'a folder over a link': {
        './l': { type: 'symlink', linkname: '../..' },
        './l/': { type: 'directory', mode: 0o777 },
      },
    };

    for (const [title, entries] of Object.entries(hostile)) {
      it(`changes nothing outside: ${title}`, async () => {
        await writeFile(join(home, 'victim'), 'as it was');
        let archive = await tarOf(entries);
        // tar-stream's own map cannot hold one name twice.
        if (title === 'a file in the place of a link') archive = withoutSpaces(archive);
        const error = await rejection(unpackTo(target, from(archive), keep));
        expect(error.name).to.equal('ArchiveError');
        if (/^a name with|^an absolute name/.test(title)) expect(error.message).to.contain('leads out of the folder');
        expect((await readdir(home)).sort()).to.deep.equal(['source', 'victim']);
        expect(await readFile(join(home, 'victim'), 'utf8')).to.equal('as it was');
        expect((await lstat(home)).mode & 0o777).to.equal(0o700);
      });
    }

    for (const [title, damage] of [
      ['is cut', (archive: Buffer) => archive.subarray(0, 700)],
      ['has a flipped byte in a header', (archive: Buffer) => archive.fill(1, 10, 11)],
      ['is something else', () => Buffer.alloc(2048, 'a')],
      ['is empty', () => Buffer.alloc(0)],
    ] as const) {
      it(`is refused if it ${title}`, async () => {
        const archive = damage(await tarOf({ './f': 'x'.repeat(600) }));
        expect((await rejection(unpackTo(target, from(archive), keep))).name).to.equal('ArchiveError');
        expect(await readdir(home)).to.deep.equal(['source']);
      });
    }

    it('gives no file a set-id bit', async () => {
      await unpackTo(target, from(await tarOf({ './f': { mode: 0o6755, content: 'x' } })), keep);
      expect((await stat(join(target, 'f'))).mode & 0o7777).to.equal(0o755);
    });
  });

  describe('the target', () => {
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

    it('is as it was when the disk is full', async function () {
      const limited = await LimitedFolder.mount('size=1m');
      if (limited === undefined) {
        console.log('      skipped: this machine does not permit a mount');
        this.skip();
      }
      await using _limited = limited;
      const archive = await tarOf({ './big': Buffer.alloc(2_000_000) });
      const error = await rejection(unpackTo(join(limited.folder, 'out'), from(archive, 65_536), keep));
      expect(error).to.include({ code: 'ENOSPC' });
      expect(await readdir(limited.folder)).to.deep.equal([]);
    });
  });
});

async function place(path: string, entry: string | { bytes: Uint8Array; mode: number }): Promise<void> {
  try {
    await mkdir(join(path, '..'), { recursive: true });
    if (typeof entry === 'string') await symlink(entry, path);
    else {
      await writeFile(path, entry.bytes, { flag: 'wx' });
      await chmod(path, entry.mode);
    }
  } catch (error) {
    // The generated trees contain some paths twice.
    if (!['EEXIST', 'ENOTDIR', 'ELOOP', 'ENOENT'].includes(String((error as NodeJS.ErrnoException).code))) throw error;
  }
}

/** Removes the spaces from the names in an archive, and corrects the checksums. */
function withoutSpaces(archive: Buffer): Buffer {
  const changed = Buffer.from(archive);
  for (let at = 0; at + 512 <= changed.length; at += 512) {
    const end = changed.indexOf(' \0', at);
    if (end < at || end >= at + 100) continue;
    changed[end] = 0;
    const header = Buffer.from(changed.subarray(at, at + 512)).fill(' ', 148, 156);
    changed.write(
      `${header
        .reduce((a, b) => a + b, 0)
        .toString(8)
        .padStart(6, '0')}\0 `,
      at + 148,
      'latin1',
    );
  }
  return changed;
}
