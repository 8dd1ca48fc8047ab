/** Invalid times, owners and records never invalidate an archive; invalid sizes and names do. */
import { link, lstat, mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';

import { expect } from 'chai';
import fc from 'fast-check';

import { failureOf } from '../../support/agent/agent-connection.ts';
import { archiveOf, contentOf, type Found, fileBlocks, headerBlock, paxBlocks, TarAgent } from './tar-volume.ts';

/** A header block with these bytes in a field and a valid checksum. */
function withField(block: Buffer, offset: number, bytes: Uint8Array): Buffer {
  const changed = Buffer.from(block);
  changed.set(bytes, offset);
  changed.write('        ', 148);
  const sum = changed.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  changed.write(`${sum.toString(8).padStart(6, '0')}\0`, 148);
  return changed;
}

/** Nanoseconds of a decimal time, truncated towards the past. */
function nanosecondsOf(digits: string, fraction: string, exponent: number, isNegative: boolean): bigint {
  const places = exponent - fraction.length + 9;
  const number = BigInt(digits + fraction);
  const scale = 10n ** BigInt(Math.abs(places));
  const nanoseconds = places >= 0 ? number * scale : number / scale;
  const isCut = places < 0 && number % scale !== 0n;
  return isNegative ? -(nanoseconds + (isCut ? 1n : 0n)) : nanoseconds;
}

const digits = fc.stringMatching(/^[0-9]{1,12}$/);

describe('metadata of an archive', () => {
  const agent = TarAgent.forSuite();

  const unpacked = async (archive: Buffer, more = {}): Promise<{ folder: string; content: Map<string, Found> }> => {
    const { id, folder } = await agent.volume();
    await agent.upload(id, archive, more);
    return { folder, content: await contentOf(folder) };
  };

  it('keeps every time that programs write as a decimal number, with an exponent or without', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          whole: digits,
          fraction: fc.option(digits, { nil: '' }),
          exponent: fc.integer({ min: -15, max: 2 }),
          isNegative: fc.boolean(),
        }),
        async ({ whole, fraction, exponent, isNegative }) => {
          const text = `${isNegative ? '-' : ''}${whole}${fraction === '' ? '' : `.${fraction}`}${exponent === 0 ? '' : `e${exponent}`}`;
          const expected = nanosecondsOf(whole, fraction, exponent, isNegative);
          // The range of every file system.
          fc.pre(expected > -(2n ** 31n) * 10n ** 9n && expected < 2n ** 31n * 10n ** 9n);
          const { folder } = await unpacked(archiveOf(paxBlocks({ mtime: text }), fileBlocks('f')));
          expect((await lstat(join(folder, 'f'), { bigint: true })).mtimeNs, text).to.equal(expected);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('never rejects an archive for an invalid time or owner in a header', async () => {
    const bytes = fc.uint8Array({ minLength: 8, maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          uid: bytes,
          gid: bytes,
          mtime: fc.uint8Array({ minLength: 12, maxLength: 12 }),
          keepOwner: fc.boolean(),
        }),
        async ({ uid, gid, mtime, keepOwner }) => {
          const block = withField(
            withField(withField(headerBlock({ name: 'f', size: 1 }), 108, uid), 116, gid),
            136,
            mtime,
          );
          const { content } = await unpacked(archiveOf(block, Buffer.from('1'.padEnd(512, '\0'))), { keepOwner });
          expect(content.get('f')).to.include({ content: '1', mode: 0o644 });
        },
      ),
      { numRuns: 60 },
    );
  });

  it('never rejects an archive for times, owners or unknown keys in pax records', async () => {
    const keys = fc.constantFrom(
      'mtime',
      'atime',
      'ctime',
      'uid',
      'gid',
      'uname',
      'gname',
      'comment',
      'LIBARCHIVE.x',
      'GNU.sparse.new',
    );
    await fc.assert(
      fc.asyncProperty(
        fc.dictionary(keys, fc.string({ maxLength: 30 }), { noNullPrototype: true }),
        fc.boolean(),
        async (records, keepOwner) => {
          const { content } = await unpacked(archiveOf(paxBlocks(records), fileBlocks('f', '1')), { keepOwner });
          expect(content.get('f')).to.include({ content: '1' });
        },
      ),
      { numRuns: 60 },
    );
  });

  it('accepts the largest time of 64 bits and more', async () => {
    for (const mtime of ['9223372036854775807', '1e400', '-1e400', `1${'0'.repeat(5000)}`])
      expect(
        (await unpacked(archiveOf(paxBlocks({ mtime }), fileBlocks('f', '1')))).content.get('f')?.content,
      ).to.equal('1');
  });

  it('ignores bytes after the blank at the end of a number', async () => {
    const block = withField(fileBlocks('f', '1'), 100, Buffer.from('755\0junk'));
    expect((await unpacked(archiveOf(block))).content.get('f')).to.include({ mode: 0o755, content: '1' });
    const junk = withField(fileBlocks('f', '1'), 100, Buffer.from('755junk\0'));
    const { id } = await agent.volume();
    expect((await failureOf(agent.upload(id, archiveOf(junk)))).code).to.equal('CORRUPT_ARCHIVE');
  });

  it('of a second extended header replaces the first, and its path does not leak', async () => {
    const { content } = await unpacked(
      archiveOf(paxBlocks({ path: 'leaked', mtime: '5' }), paxBlocks({ mtime: '7' }), fileBlocks('f', '1')),
    );
    expect([...content].map(([path, { mtimeMs }]) => [path, mtimeMs])).to.deep.equal([['f', 7000]]);
  });

  it('gives a folder that comes twice the metadata of its last entry', async () => {
    const folder = (mode: number, mtime: number): Buffer => headerBlock({ name: 'd/', type: '5', mode, mtime });
    for (const [first, last] of [
      [0o755, 0o700],
      [0o000, 0o700],
      [0o700, 0o000],
      [0o600, 0o000],
    ] as const)
      expect((await unpacked(archiveOf(folder(first, 1), folder(last, 2)))).content.get('d')).to.include({
        mode: last,
        mtimeMs: 2000,
      });
  });

  it('of a folder that no entry describes does not change an existing folder, and no other metadata is kept', async () => {
    const { id, folder } = await agent.volume();
    await agent.upload(id, archiveOf(headerBlock({ name: 'd/', type: '5', mode: 0o711, mtime: 5 }), fileBlocks('d/a')));
    const facts = async (): Promise<object> => (await contentOf(folder)).get('d') ?? {};
    await agent.upload(id, archiveOf(fileBlocks('d/b')));
    expect(await facts()).to.include({ mode: 0o711 });
    await agent.upload(id, archiveOf(headerBlock({ name: 'd/', type: '5', mode: 0o755, mtime: 0 }), fileBlocks('d/c')));
    expect(await facts()).to.include({ mode: 0o755, mtimeMs: 0 });
  });

  it('keeps a hard link to a symbolic link, in an archive and in a copy', async () => {
    const from = await agent.volume();
    await symlink('nowhere', join(from.folder, 'a'));
    await link(join(from.folder, 'a'), join(from.folder, 'b'));
    const sent = await agent.volume();
    await agent.upload(sent.id, (await agent.download(from.id)).archive);
    const copied = await agent.volume();
    await agent.call({ op: 'copy', from: from.id, to: copied.id });
    for (const { folder } of [sent, copied]) {
      const [a, b] = [(await contentOf(folder)).get('a'), (await contentOf(folder)).get('b')];
      expect(b).to.include({ type: 'link', content: 'nowhere', inode: a?.inode });
    }
  });

  it('that is too long is UNSUPPORTED_ENTRY, and a hard link without a target is CORRUPT_ARCHIVE with a reason', async () => {
    const { id } = await agent.volume();
    const long = await failureOf(
      agent.upload(id, archiveOf(paxBlocks({ comment: 'x'.repeat(1 << 20) }), fileBlocks('f'))),
    );
    expect(long.code).to.equal('UNSUPPORTED_ENTRY');
    expect(long.message).to.include('extended header');
    const link = await failureOf(agent.upload(id, archiveOf(headerBlock({ name: 'h', type: '1' }))));
    expect(link.code).to.equal('CORRUPT_ARCHIVE');
    expect(link.message).to.include('a hard link has no target');
  });
});

describe('the end of an archive', () => {
  const agent = TarAgent.forSuite();

  const entries = Buffer.concat([
    fileBlocks('a', 'x'.repeat(600)),
    headerBlock({ name: 'd/', type: '5', mode: 0o755 }),
  ]);

  it('is one closing block', async () => {
    const { id, folder } = await agent.volume();
    for (const more of [512, 513, 1023]) await agent.upload(id, Buffer.concat([entries, Buffer.alloc(more)]));
    expect([...(await contentOf(folder)).keys()]).to.deep.equal(['a', 'd']);
  });

  it('needs no closing block at the end of an entry if END reports that the encoding has proven it', async () => {
    const { id, folder } = await agent.volume();
    await agent.upload(id, entries, {}, { proven: true });
    expect([...(await contentOf(folder)).keys()]).to.deep.equal(['a', 'd']);
    expect((await failureOf(agent.upload(id, entries))).code).to.equal('TRUNCATED_ARCHIVE');
    for (const length of [0, 300, 512, 1000, 1112, 1200, 1800])
      expect((await failureOf(agent.upload(id, entries.subarray(0, length), {}, { proven: true }))).code).to.equal(
        'TRUNCATED_ARCHIVE',
      );
    const lacking = Buffer.concat([entries, paxBlocks({ comment: 'for what comes next' })]);
    expect((await failureOf(agent.upload(id, lacking, {}, { proven: true }))).code).to.equal('TRUNCATED_ARCHIVE');
  });
});

describe('a path that is too deep to be read from the root', () => {
  it('is rejected when it is written, and the deepest accepted path can be read', async () => {
    await using agent = await TarAgent.start();
    const { id, folder } = await agent.volume();
    const deep = Array.from({ length: 20 }, () => 'd'.repeat(200)).join('/');
    const room = 4095 - deep.length - 1;
    const entry = (length: number): Buffer => archiveOf(fileBlocks('f'.repeat(length), '1'));
    const failure = await failureOf(agent.upload(id, entry(room + 1), { path: deep }));
    expect(failure.code).to.equal('UNSUPPORTED_ENTRY');
    expect(failure.message).to.include(`${room} bytes`);
    expect(await contentOf(folder)).to.deep.equal(new Map());
    await agent.upload(id, entry(room), { path: deep });
    expect((await agent.download(id)).result['entries']).to.equal(21);
    await mkdir(join(folder, 'other'));
    expect(
      (await failureOf(agent.call({ op: 'copy', from: id, path: deep, to: id, toPath: `${deep}/d` }))).code,
    ).to.equal('UNSUPPORTED_ENTRY');
  });
});
