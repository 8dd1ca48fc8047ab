import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';

import { expect } from 'chai';

import { archiveOf, contentOf, type Found, fileBlocks, headerBlock, paxBlocks, TarAgent } from './tar-volume.ts';

const fixtures = join(import.meta.dirname, '../../fixtures/tar');
const time = Date.parse('2020-01-02T03:04:05Z');
const deep = `${'d'.repeat(60)}/`.repeat(3);
const long = `${deep}${'n'.repeat(120)}`;

describe('unpacking archives of other programs', () => {
  const agent = TarAgent.forSuite();

  const unpacked = async (archive: Buffer): Promise<{ folder: string; content: Map<string, Found> }> => {
    const { id, folder } = await agent.volume();
    await agent.upload(id, archive);
    return { folder, content: await contentOf(folder) };
  };

  for (const [name, fraction, hasLongNames] of [
    ['gnu-v7', false, false],
    ['gnu-ustar', false, false],
    ['gnu-long-names', false, true],
    ['gnu-pax', true, true],
    ['bsdtar-pax', true, true],
    ['busybox', false, true],
    ['python-pax', true, true],
    ['go-ustar', false, false],
    ['go-gnu', false, true],
    ['go-pax', true, true],
  ] as const) {
    it(`unpacks ${name}.tar: a file, a hard link, a symbolic link${hasLongNames ? ', long names' : ''}`, async () => {
      const { content } = await unpacked(await readFile(join(fixtures, `${name}.tar`)));
      const file = content.get('dir/file');
      expect(file).to.include({ type: 'file', mode: 0o644, content: 'hello\n' });
      expect(content.get('hard')?.inode).to.equal(file?.inode);
      expect(content.get('link')).to.include({ type: 'link', content: 'dir/file' });
      expect(content.get('dir')).to.include({ type: 'folder', mode: 0o755 });
      for (const path of ['dir', 'dir/file', 'link'])
        expect(content.get(path)?.mtimeMs).to.be.closeTo(time + (fraction ? 678.901 : 0), 0.01);
      expect(content.get(long)?.content).to.equal(hasLongNames ? 'long\n' : undefined);
      expect(content.get('longlink')?.content).to.equal(hasLongNames ? long : undefined);
    });
  }

  for (const name of ['gnu-sparse-old', 'pax-sparse-0.0', 'pax-sparse-0.1', 'pax-sparse-1.0']) {
    it(`restores the holes of ${name}.tar`, async () => {
      const { folder, content } = await unpacked(await readFile(join(fixtures, `${name}.tar`)));
      const expected = Buffer.alloc(8 * 65_536);
      for (let piece = 0; piece < 7; piece++)
        expected.write(`piece ${String(piece).padStart(2, '0')}\n`, piece * 65_536);
      expect([...content.keys()]).to.deep.equal(['sparse']);
      expect(content.get('sparse')?.content === expected.toString('latin1')).to.equal(true);
      expect((await stat(join(folder, 'sparse'))).blocks * 512).to.be.lessThan(expected.length);
    });
  }

  it('merges the global pax header with that of the entry, which takes precedence', async () => {
    const { content } = await unpacked(
      archiveOf(
        paxBlocks({ comment: 'x', mtime: '1000000000.5' }, 'g'),
        fileBlocks('first'),
        paxBlocks({ mtime: '-1.25', path: 'folder/ünïcödé', size: '3' }),
        headerBlock({ name: 'short' }),
        Buffer.from('abc'.padEnd(512, '\0')),
        paxBlocks({ mtime: '' }),
        fileBlocks('last'),
      ),
    );
    expect(content.get('first')?.mtimeMs).to.equal(1_000_000_000_500);
    expect(content.get('folder/ünïcödé')).to.include({ mtimeMs: -1250, content: 'abc' });
    expect(content.get('last')?.mtimeMs).to.equal(1_000_000_000_500);
  });

  it('replaces an earlier entry of the same name', async () => {
    const { content } = await unpacked(
      archiveOf(
        fileBlocks('a', 'old'),
        headerBlock({ name: 'b', type: '1', link: 'a' }),
        fileBlocks('a', 'new'),
        headerBlock({ name: 'c', type: '2', link: '/etc' }),
        fileBlocks('c', 'file'),
      ),
    );
    expect([...content].map(([path, { type, content: text }]) => [path, type, text])).to.deep.equal([
      ['a', 'file', 'new'],
      ['b', 'file', 'old'],
      ['c', 'file', 'file'],
    ]);
  });

  it('gives a folder that no entry describes the same mode and time each time', async () => {
    const { content } = await unpacked(archiveOf(fileBlocks('a/b/c', '1')));
    expect(content.get('a/b')).to.include({ mode: 0o755, mtimeMs: 0 });
  });

  it('ignores the root entry, and bytes after the end', async () => {
    const { id, folder } = await agent.volume();
    const archive = archiveOf(headerBlock({ name: './', type: '5', mode: 0o700 }), fileBlocks('./f', '1'));
    const result = await agent.upload(id, Buffer.concat([archive, Buffer.alloc(8192), Buffer.from('noise')]));
    expect(result).to.include({ entries: 1, expandedBytes: 1 });
    expect((await stat(folder)).mode & 0o777).to.not.equal(0o700);
  });
});
