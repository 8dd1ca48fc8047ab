import { Readable } from 'node:stream';

import { expect } from 'chai';

import { StoreTransfers } from '../../../src/archives/store-transfers.ts';
import { systemClock } from '../../../src/internal/system-clock.ts';
import { failureOf } from '../../support/agent/agent-connection.ts';
import { archiveKeyOfTests as key } from '../../support/archives.ts';
import { rejection } from '../../support/rejection.ts';
import { MemoryArchiveStore } from '../../support/stores/memory-archive-store.ts';
import { archiveOf, fileBlocks, headerBlock, paxBlocks, TarAgent } from '../agent/tar-volume.ts';

const whole = archiveOf(fileBlocks('file', 'content'));

function changed(at: number): Buffer {
  const bytes = Buffer.from(whole);
  bytes.writeUInt8(bytes.readUInt8(at) ^ 0x81, at);
  return bytes;
}

/** Archives that an agent refuses. */
const refused: Readonly<Record<string, Buffer>> = {
  'an empty stream': Buffer.alloc(0),
  'no tar': Buffer.alloc(2048, 'not a tar'),
  'a changed checksum': changed(149),
  'a changed name': changed(1),
  'no closing block': whole.subarray(0, 1024),
  'an end within content': whole.subarray(0, 519),
  'an end within padding': whole.subarray(0, 800),
  'an end within a header': whole.subarray(0, 100),
  'an end within an extended header': paxBlocks({ path: 'x' }).subarray(0, 700),
  'an entry after the end': archiveOf(fileBlocks('a'), Buffer.alloc(512), fileBlocks('b')),
  'a partial block after the end': Buffer.concat([whole.subarray(0, 1536), Buffer.from('x')]),
  'a negative size': archiveOf(headerBlock({ name: 'f', sizeField: Buffer.alloc(12, 0xff) })),
  'a size that is no number': archiveOf(headerBlock({ name: 'f', sizeField: Buffer.from('-0000000001\0') })),
  'a device': archiveOf(headerBlock({ name: 'f', type: '3' })),
  'a fifo': archiveOf(headerBlock({ name: 'f', type: '6' })),
  'an unknown type': archiveOf(headerBlock({ name: 'f', type: '?' })),
  'an entry without a name': archiveOf(headerBlock({ name: '' })),
  'a root that is a file': archiveOf(fileBlocks('./', '', { type: '2', link: 'x' })),
  'an absolute path': archiveOf(fileBlocks('/etc/passwd')),
  'a path that leads outside': archiveOf(fileBlocks('a/../../b')),
  'a hard link that leads outside': archiveOf(headerBlock({ name: 'l', type: '1', link: '../x' })),
  'a hard link to the root': archiveOf(headerBlock({ name: 'l', type: '1', link: '.' })),
  'a hard link without a target': archiveOf(headerBlock({ name: 'l', type: '1' })),
  'a symbolic link without a target': archiveOf(headerBlock({ name: 'l', type: '2' })),
  'a name that is too long': archiveOf(paxBlocks({ path: 'n'.repeat(256) }), fileBlocks('f')),
  'a path that is too long': archiveOf(paxBlocks({ path: `${'d/'.repeat(2047)}xx` }), fileBlocks('f')),
  'a target that is too long': archiveOf(
    paxBlocks({ linkpath: 'l'.repeat(4096) }),
    headerBlock({ name: 'f', type: '2' }),
  ),
  'a NUL in a path': archiveOf(paxBlocks({ path: 'a\0b' }), fileBlocks('f')),
  'a size that cannot be read': archiveOf(paxBlocks({ size: '-1' }), fileBlocks('f')),
  'a record of a wrong length': archiveOf(fileBlocks('pax', '99 path=x\n', { type: 'x' }), fileBlocks('f')),
  'a record without a key': archiveOf(fileBlocks('pax', '6 =ab\n', { type: 'x' }), fileBlocks('f')),
  'an extended header without an entry': archiveOf(paxBlocks({ path: 'nothing follows' })),
  'a file that is larger than the limit': archiveOf(fileBlocks('f', 'x'.repeat(101))),
  'files that are larger than the limit': archiveOf(fileBlocks('f', 'x'.repeat(60)), fileBlocks('g', 'x'.repeat(60))),
};

/** Archives that an agent takes, and whether they are plain. */
const taken: Readonly<Record<string, readonly [boolean, Buffer]>> = {
  'files and folders': [true, archiveOf(headerBlock({ name: './d/', type: '5' }), fileBlocks('d/f', '1'))],
  'the root as an entry': [true, archiveOf(headerBlock({ name: './', type: '5' }), fileBlocks('f'))],
  'a folder of an old format': [true, archiveOf(headerBlock({ name: 'd/' }), fileBlocks('d/f', '1'))],
  'a folder after its content': [true, archiveOf(fileBlocks('d/f', '1'), headerBlock({ name: 'd', type: '5' }))],
  'a comment for all entries': [true, archiveOf(paxBlocks({ comment: 'a commit' }, 'g'), fileBlocks('f', '1'))],
  'a long name of GNU tar': [
    true,
    archiveOf(fileBlocks('././@LongLink', `${'d'.repeat(120)}/f\0`, { type: 'L' }), fileBlocks('f', '1')),
  ],
  'a hard link to an earlier file': [
    true,
    archiveOf(fileBlocks('f', '1'), headerBlock({ name: 'l', type: '1', link: 'f' })),
  ],
  'one closing block': [true, Buffer.concat([fileBlocks('f', '1'), Buffer.alloc(512)])],
  'a file that occurs twice': [false, archiveOf(fileBlocks('f', '1'), fileBlocks('./f', '2'))],
  'a folder that occurs twice': [
    false,
    archiveOf(headerBlock({ name: 'd', type: '5' }), headerBlock({ name: 'd/', type: '5' })),
  ],
  'a file that becomes a folder': [false, archiveOf(fileBlocks('f', '1'), headerBlock({ name: 'f/', type: '5' }))],
  'a name for all entries': [false, archiveOf(paxBlocks({ mtime: '5' }, 'g'), fileBlocks('f', '1'))],
  'a sparse file': [
    false,
    archiveOf(paxBlocks({ 'GNU.sparse.size': '90', 'GNU.sparse.map': '40,5' }), fileBlocks('f', '12345')),
  ],
};

describe('an archive of the host, as an agent takes it', () => {
  const agent = TarAgent.forSuite();
  const transfers = new StoreTransfers({ clock: systemClock(), stallMs: 60_000 });
  const limit = { expandedLimitBytes: 100 };

  async function write(archive: Buffer): Promise<Record<string, unknown>> {
    const chunks = Array.from({ length: Math.ceil(archive.length / 100) }, (_, at) =>
      archive.subarray(at * 100, (at + 1) * 100),
    );
    return { ...(await transfers.write(new MemoryArchiveStore(), key, Readable.from(chunks), limit)) };
  }

  it('is refused with the same code', async () => {
    for (const [what, archive] of Object.entries(refused)) {
      const { id } = await agent.volume();
      const expected = (await failureOf(agent.upload(id, archive, limit))).code;
      const { code = '' } = await rejection(write(archive));
      expect({ what, code }).to.deep.equal({ what, code: `KW_ERR_${String(expected)}` });
    }
  });

  it('is counted in the same way, and is plain if a path can be read without unpacking it', async () => {
    for (const [what, [isPlain, archive]] of Object.entries(taken)) {
      const { id } = await agent.volume();
      const { bytes, sha256, entries, expandedBytes } = await agent.upload(id, archive, limit);
      const given = await write(archive);
      expect({ what, ...given }).to.deep.include({
        what,
        rawBytes: bytes,
        digest: sha256,
        entries,
        expandedBytes,
        isPlain,
      });
    }
  });

  it('is not plain if a path leads through a link, or if a hard link precedes its file', async () => {
    for (const archive of [
      archiveOf(headerBlock({ name: 'l', type: '2', link: 'd' }), fileBlocks('l/f', '1')),
      archiveOf(headerBlock({ name: 'l', type: '1', link: 'f' }), fileBlocks('f', '1')),
      archiveOf(fileBlocks('d/f', '1'), fileBlocks('d', '1')),
    ])
      expect(await write(archive)).to.include({ isPlain: false });
  });
});
