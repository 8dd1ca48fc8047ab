import { once } from 'node:events';
import { chmod, link, lutimes, mkdir, symlink, truncate, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { expect } from 'chai';
import { extract, type Header } from 'tar-stream';

import { failureOf } from '../../support/agent/agent-connection.ts';
import { decodeData, encodeFrame, frameType } from '../../support/agent/agent-frames.ts';
import { readTar } from '../../support/tar.ts';
import { archiveOf, contentOf, fileBlocks, TarAgent } from './tar-volume.ts';

describe('a volume as an archive', () => {
  const agent = TarAgent.forSuite();

  const fill = async (folder: string, files: Readonly<Record<string, string | Buffer>>): Promise<void> => {
    for (const [path, content] of Object.entries(files)) {
      await mkdir(join(folder, dirname(path)), { recursive: true });
      await writeFile(join(folder, path), content);
    }
  };

  it('has the same bytes each time, also after it was unpacked elsewhere', async () => {
    const { id, folder } = await agent.volume();
    await fill(folder, {
      'b/file': 'hello',
      'b/empty': '',
      [`${'d'.repeat(200)}/${'n'.repeat(200)}`]: 'long',
      ünï: Buffer.alloc(600_000, 7),
      'a/x': '1',
    });
    await mkdir(join(folder, 'none'));
    await link(join(folder, 'b/file'), join(folder, 'c'));
    await symlink('/somewhere', join(folder, 'l'));
    await lutimes(join(folder, 'l'), 1, 5.25);
    await utimes(join(folder, 'b/file'), 1, 1234.5);
    await chmod(join(folder, 'b/empty'), 0o440);
    await chmod(join(folder, 'b'), 0o555);
    const first = await agent.download(id);
    expect((await agent.download(id)).archive.equals(first.archive)).to.equal(true);
    const other = await agent.volume();
    await agent.upload(other.id, first.archive);
    expect((await agent.download(other.id)).archive.equals(first.archive)).to.equal(true);
    const without = (content: Awaited<ReturnType<typeof contentOf>>): unknown[] =>
      [...content].map(([path, facts]) => [path, { ...facts, inode: 0 }]);
    expect(without(await contentOf(other.folder))).to.deep.equal(without(await contentOf(folder)));
    const copy = await contentOf(other.folder);
    expect(copy.get('c')?.inode).to.equal(copy.get('b/file')?.inode);
  });

  it('is sorted bytewise in each folder, a folder before its content, without ids and names of users', async () => {
    const { id, folder } = await agent.volume();
    await fill(folder, { b: '', 'a/z': '', 'a/b/c': '', 'a-b': '', 'a.b': '', B: '', ä: '' });
    const { archive, opened, result } = await agent.download(id);
    const names: string[] = [];
    const parser = extract();
    parser.end(archive);
    for await (const entry of parser) {
      names.push(entry.header.name);
      expect(entry.header).to.include({ uid: 0, gid: 0, uname: '', gname: '' });
      entry.resume();
    }
    expect(names).to.deep.equal(['./B', './a/', './a/b/', './a/b/c', './a/z', './a-b', './a.b', './b', './ä']);
    expect(opened['kind']).to.equal('directory');
    expect(result['entries']).to.equal(9);
  });

  it('is one entry with its own name for a file or a link, and relative to an inner folder', async () => {
    const { id, folder } = await agent.volume();
    await fill(folder, { 'd/e/f': 'hello' });
    await symlink('f', join(folder, 'd/e/l'));
    const file = await agent.download(id, '/d//e/f');
    expect(file.opened['kind']).to.equal('file');
    expect([...(await readTar(file.archive))].map(([name, { content }]) => [name, content.toString()])).to.deep.equal([
      ['f', 'hello'],
    ]);
    const symbolic = await agent.download(id, 'd/e/l');
    expect(symbolic.opened['kind']).to.equal('symlink');
    expect((await readTar(symbolic.archive)).get('l')).to.include({ type: 'symlink', linkname: 'f' });
    expect([...(await readTar((await agent.download(id, 'd')).archive)).keys()]).to.deep.equal(['e', 'e/f', 'e/l']);
  });

  it('fails for a missing path, and through a link', async () => {
    const { id, folder } = await agent.volume();
    await fill(folder, { 'd/f': '1' });
    await symlink('d', join(folder, 'l'));
    for (const [path, code] of [
      ['x', 'FILE_NOT_FOUND'],
      ['d/f/x', 'FILE_NOT_FOUND'],
      ['l/f', 'UNSAFE_PATH'],
      ['../x', 'UNSAFE_PATH'],
    ] as const)
      expect((await failureOf(agent.download(id, path))).code).to.equal(code);
  });

  it('equals the archive of a copy', async () => {
    const [from, to] = [await agent.volume(), await agent.volume()];
    await fill(from.folder, { 'd/f': 'hello', s: '' });
    await truncate(join(from.folder, 's'), 1_000_000);
    await agent.call({ op: 'copy', from: from.id, to: to.id });
    expect((await agent.download(to.id)).archive.equals((await agent.download(from.id)).archive)).to.equal(true);
  });

  it('encodes the size of a file of more than 8 GiB for every program, and can be cancelled', async () => {
    const { id, folder } = await agent.volume();
    const size = 9 * 2 ** 30;
    await writeFile(join(folder, 'huge'), '');
    await truncate(join(folder, 'huge'), size);
    await utimes(join(folder, 'huge'), 1, 1);
    const { connection } = agent;
    connection.open({ op: 'send', id: agent.newId(), attempt: 1, volume: id, path: '' });
    await connection.opened();
    connection.window(1, 0, 65_536);
    const pieces: Buffer[] = [];
    for (let received = 0; received < 65_536; received += pieces.at(-1)?.length ?? 0)
      pieces.push(decodeData(await connection.expect(frameType.data)).raw);
    connection.write(encodeFrame(frameType.cancel));
    expect((await failureOf(connection.expectJson(frameType.result))).code).to.equal('CANCELLED');
    connection.done();

    const begin = Buffer.concat(pieces);
    const parser = extract();
    parser.on('error', () => undefined);
    parser.write(begin);
    const [header] = (await once(parser, 'entry')) as [Header];
    parser.destroy();
    expect(header).to.include({ name: './huge', size, type: 'file' });
    // Programs without pax read the field itself: a flag bit, then the number in base 256.
    expect(begin.readBigUInt64BE(1024 + 128)).to.equal(BigInt(size));
    expect(begin[1024 + 124]).to.equal(0x80);
  });

  it('is an empty archive after the volume was emptied, independent of modes', async () => {
    const { id, folder } = await agent.volume();
    await agent.upload(id, archiveOf(fileBlocks('a/b/c', '1'), fileBlocks('f')));
    await chmod(join(folder, 'a/b'), 0);
    await chmod(join(folder, 'a'), 0);
    await agent.call({ op: 'remove', volume: id });
    expect((await agent.download(id)).archive.equals(Buffer.alloc(1024))).to.equal(true);
  });
});
