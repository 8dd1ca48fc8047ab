import { execFileSync } from 'node:child_process';
import {
  chmod,
  link,
  mkdir,
  mkdtemp,
  open,
  readdir,
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

import { packedFolderBytes, packFolder, unpackFolder } from '../../../src/index.ts';
import { rejection } from '../../support/rejection.ts';
import { inChunks } from '../../support/stores/archive-bytes.ts';
import { readTar } from '../../support/tar.ts';

function packed(path: string): Promise<Buffer> {
  return buffer(Readable.from(packFolder(path)));
}

describe('packFolder', () => {
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
    await unpackFolder(inChunks(archive, 1, 1000), target);
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
    await unpackFolder(inChunks(archive), target);
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
        await unpackFolder(inChunks(archive, 1, 777), other);
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
    const error = await rejection(rest);
    expect(error).to.include({ code: 'KW_ERR_FILE_CHANGED', entry: join(source, 'log'), retryable: true });
  });

  it('rejects if a file is overwritten while it is read, and packs one that grows as it was', async () => {
    const log = join(source, 'log');
    for (const [flags, at] of [
      ['r+', 0],
      ['a', undefined],
    ] as const) {
      await writeFile(log, Buffer.alloc(1_000_000));
      await utimes(log, 1, 1);
      const reading = packFolder(source)[Symbol.asyncIterator]();
      await reading.next();
      const file = await open(log, flags);
      await file.write(Buffer.from('x'), 0, 1, at).finally(() => file.close());
      const rest = (async () => {
        while ((await reading.next()).done !== true);
      })();
      if (flags === 'a') await rest;
      else expect(await rejection(rest)).to.include({ code: 'KW_ERR_FILE_CHANGED', entry: log });
    }
  });

  it('has the size that packedFolderBytes returns', async () => {
    await mkdir(join(source, 'd'));
    await writeFile(join(source, 'd', 'f'), 'x'.repeat(513));
    for (const path of [join(source, 'd', 'f'), join(source, 'd'), source])
      await utimes(path, 1_700_000_000, 1_700_000_000);
    expect((await packed(source)).length).to.equal(await packedFolderBytes(source));
    expect((await packed(join(source, 'd', 'f'))).length).to.equal(await packedFolderBytes(join(source, 'd', 'f')));
  });

  it('gives a file as one entry, under its name or another one', async () => {
    const file = join(source, 'file');
    await writeFile(file, 'content');
    const archive = (name?: string): Promise<Buffer> => buffer(Readable.from(packFolder(file, { name })));
    expect([...(await readTar(await archive())).keys()]).to.deep.equal(['file']);
    expect([...(await readTar(await archive('other'))).keys()]).to.deep.equal(['other']);
  });

  it('follows a link as the path itself, and no link in the folder', async () => {
    await writeFile(join(home, 'outside'), 'outside');
    await symlink(join(home, 'outside'), join(source, 'link'));
    await symlink(source, join(home, 'way'));
    const entries = await readTar(await packed(join(home, 'way')));
    expect([...entries].map(([name, { type, linkname }]) => [name, type, linkname])).to.deep.equal([
      ['link', 'symlink', join(home, 'outside')],
    ]);
  });

  it('rejects with the error of Node if there is nothing at the path', async () => {
    expect(await rejection(packed(join(home, 'none')))).to.include({ code: 'ENOENT' });
    expect(await rejection(packedFolderBytes(join(home, 'none')))).to.include({ code: 'ENOENT' });
  });

  it('refuses invalid arguments, and names them', () => {
    for (const [path, options, field] of [
      ['', {}, 'path'],
      ['a\0b', {}, 'path'],
      [1, {}, 'path'],
      ['a', { name: 'a/b' }, 'name'],
      ['a', { name: '..' }, 'name'],
      ['a', { skipped: true }, 'skipped'],
      ['a', { signal: true }, 'signal'],
    ] as readonly (readonly [path: unknown, options: object, field: string])[])
      expect(() => packFolder(path as string, options))
        .to.throw()
        .that.includes({ code: 'KW_ERR_INVALID_SPEC', field });
  });

  it('rejects with the reason of the signal', async () => {
    await writeFile(join(source, 'large'), Buffer.alloc(1_000_000));
    const [controller, reason] = [new AbortController(), new Error('enough')];
    const reading = packFolder(source, { signal: controller.signal })[Symbol.asyncIterator]();
    await reading.next();
    controller.abort(reason);
    expect(await rejection(reading.next())).to.equal(reason);
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
