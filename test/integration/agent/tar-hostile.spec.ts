import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect } from 'chai';
import { array, assert, asyncProperty, integer, tuple } from 'fast-check';

import { AgentFailure, failureOf } from '../../support/agent/agent-connection.ts';
import { archiveOf, contentOf, END_OF_ARCHIVE, fileBlocks, headerBlock, paxBlocks, TarAgent } from './tar-volume.ts';

describe('a broken or malicious archive', () => {
  const agent = TarAgent.forSuite();
  let outside: string;

  before(async () => {
    outside = await mkdtemp(join(tmpdir(), 'kw-outside-'));
  });

  after(async () => {
    await rm(outside, { recursive: true });
  });

  /** Returns the failure, and checks that the volume has not changed. */
  const refused = async (archive: Buffer, more = {}): Promise<AgentFailure> => {
    const { id, folder } = await agent.volume();
    await agent.upload(id, archiveOf(fileBlocks('before', '1')));
    const failure = await failureOf(agent.upload(id, archive, more));
    expect([...(await contentOf(folder)).keys()]).to.deep.equal(['before']);
    return failure;
  };

  it('is TRUNCATED_ARCHIVE without a closing block, wherever it is cut', async () => {
    const whole = archiveOf(fileBlocks('file', 'content'));
    for (const length of [0, 1, 511, 512, 513, 519, 1023, 1024, 1025, 1535])
      expect((await refused(whole.subarray(0, length))).code).to.equal('TRUNCATED_ARCHIVE');
    expect((await refused(whole.subarray(0, 515))).facts['entry']).to.equal('file');
  });

  it('is TRUNCATED_ARCHIVE for each prefix, and leaves no content', async () => {
    const { id, folder } = await agent.volume();
    const whole = archiveOf(fileBlocks('file', 'content'));
    for (let length = 0; length < whole.length - 512; length += length % 512 === 0 || length % 512 > 505 ? 1 : 5)
      expect((await failureOf(agent.upload(id, whole.subarray(0, length)))).code).to.equal('TRUNCATED_ARCHIVE');
    expect(await readdir(folder)).to.deep.equal([]);
    expect(await agent.staged(id)).to.deep.equal([]);
    await agent.upload(id, whole);
  });

  it('is CORRUPT_ARCHIVE with any changed byte of its header except the blank after the checksum, and leaves no content', async () => {
    const { id, folder } = await agent.volume();
    const whole = archiveOf(fileBlocks('file', 'content'));
    for (let at = 0; at < 512; at++) {
      if (at === 155) continue;
      const changed = Buffer.from(whole);
      changed.writeUInt8(changed.readUInt8(at) ^ (at % 2 === 0 ? 1 : 0x80), at);
      expect((await failureOf(agent.upload(id, changed))).code).to.equal('CORRUPT_ARCHIVE');
    }
    expect(await readdir(folder)).to.deep.equal([]);
  });

  it('is rejected with the entry if names or numbers are out of bounds', async () => {
    const base256 = headerBlock({
      name: 'file',
      sizeField: Buffer.concat([Buffer.from([0x80]), Buffer.alloc(11, 0xff)]),
    });
    for (const [code, archive] of [
      ['UNSUPPORTED_ENTRY', archiveOf(paxBlocks({ path: 'n'.repeat(256) }), fileBlocks('f'))],
      ['UNSUPPORTED_ENTRY', archiveOf(paxBlocks({ path: `${'d/'.repeat(2047)}xx` }), fileBlocks('f'))],
      [
        'UNSUPPORTED_ENTRY',
        archiveOf(paxBlocks({ linkpath: 'l'.repeat(4096) }), headerBlock({ name: 'f', type: '2' })),
      ],
      ['CORRUPT_ARCHIVE', archiveOf(base256)],
      ['CORRUPT_ARCHIVE', archiveOf(headerBlock({ name: 'file', sizeField: Buffer.alloc(12, 0xff) }))],
      ['CORRUPT_ARCHIVE', archiveOf(headerBlock({ name: 'file', sizeField: Buffer.from('-0000000001\0') }))],
    ] as const) {
      const failure = await refused(archive);
      expect(failure.code).to.equal(code);
      expect(failure.facts['entry']).to.be.a('string');
    }
  });

  it('accepts the longest path, thousands of extended headers and duplicate entries', async () => {
    const { id, folder } = await agent.volume();
    const longest = `${`${'d'.repeat(203)}/`.repeat(20)}${'f'.repeat(15)}`;
    const headers = Array.from({ length: 3000 }, (_, index) =>
      paxBlocks({ comment: String(index), mtime: `${index}.5` }),
    );
    await agent.upload(
      id,
      archiveOf(
        paxBlocks({ path: longest }),
        fileBlocks('x', 'deep'),
        ...headers,
        fileBlocks('many', '1'),
        fileBlocks('many', '2'),
      ),
    );
    expect(await readFile(join(folder, 'many'), 'utf8')).to.equal('2');
    const { archive } = await agent.download(id);
    const other = await agent.volume();
    await agent.upload(other.id, archive);
    expect((await agent.download(other.id)).archive.equals(archive)).to.equal(true);
    // Node is one of the few programs that can remove such a path.
    for (const volume of [id, other.id]) await agent.call({ op: 'remove', volume });
  });

  it('is CORRUPT_ARCHIVE with a wrong checksum, an impossible number, or an entry after the end', async () => {
    const flipped = archiveOf(fileBlocks('file'));
    flipped[20] = 1;
    const number = headerBlock({ name: 'file' });
    number.fill(0xff, 124, 136);
    for (const archive of [
      flipped,
      archiveOf(number),
      archiveOf(fileBlocks('a'), Buffer.alloc(512), fileBlocks('b')),
      Buffer.alloc(2048, 'not a tar'),
      archiveOf(headerBlock({ name: 'l', type: '2' })),
    ])
      expect((await refused(archive)).code).to.equal('CORRUPT_ARCHIVE');
  });

  it('is CORRUPT_ARCHIVE with pax records that cannot be read', async () => {
    for (const records of [
      { size: '-1' },
      { size: '9'.repeat(30) },
      { path: 'a\0b' },
      { 'GNU.sparse.map': '1,,2' },
      { 'GNU.sparse.size': '9', 'GNU.sparse.map': '0,5' },
    ])
      expect((await refused(archiveOf(paxBlocks(records), fileBlocks('file', '1')))).code).to.equal('CORRUPT_ARCHIVE');
    expect((await refused(archiveOf(paxBlocks({ path: 'nothing follows' })))).code).to.equal('CORRUPT_ARCHIVE');
  });

  it('is UNSUPPORTED_ENTRY with the entry for devices, fifos and unknown types', async () => {
    for (const type of ['3', '4', '6', 'M', 'V', '?']) {
      const { code, facts } = await refused(archiveOf(fileBlocks('good'), headerBlock({ name: 'strange', type })));
      expect({ code, entry: facts['entry'] }).to.deep.equal({ code: 'UNSUPPORTED_ENTRY', entry: 'strange' });
    }
  });

  it('is UNSAFE_ARCHIVE_PATH if a name or a hard link leads outside', async () => {
    for (const name of ['../x', 'a/../../x', '/x', '..', 'a/..']) {
      for (const archive of [
        archiveOf(fileBlocks(name)),
        archiveOf(paxBlocks({ path: name }), fileBlocks('f')),
        archiveOf(fileBlocks('f'), headerBlock({ name: 'l', type: '1', link: name })),
      ])
        expect((await refused(archive)).code).to.equal('UNSAFE_ARCHIVE_PATH');
    }
  });

  it('never writes through its own links', async () => {
    const link = headerBlock({ name: 'l', type: '2', link: outside });
    for (const entry of [
      fileBlocks('l/x', '1'),
      headerBlock({ name: 'l/d/', type: '5' }),
      headerBlock({ name: 'l/s', type: '2', link: 'x' }),
      headerBlock({ name: 'h', type: '1', link: 'l/x' }),
    ])
      expect((await refused(archiveOf(link, entry))).code).to.equal('UNSAFE_ARCHIVE_PATH');
    expect(await readdir(outside)).to.deep.equal([]);
  });

  it('never writes through a link of the volume', async () => {
    const { id } = await agent.volume();
    await agent.upload(id, archiveOf(headerBlock({ name: 'l', type: '2', link: outside })));
    expect((await failureOf(agent.upload(id, archiveOf(fileBlocks('l/x', '1'))))).facts).to.include({
      code: 'PATH_CONFLICT',
      path: 'l',
    });
    expect((await failureOf(agent.upload(id, archiveOf(fileBlocks('x', '1')), { path: 'l' }))).code).to.equal(
      'UNSAFE_PATH',
    );
    expect(await readdir(outside)).to.deep.equal([]);
  });

  it('is CORRUPT_ARCHIVE with a hard link to anything but an earlier file', async () => {
    for (const archive of [
      archiveOf(headerBlock({ name: 'h', type: '1', link: 'missing' })),
      archiveOf(headerBlock({ name: 'd/', type: '5' }), headerBlock({ name: 'h', type: '1', link: 'd' })),
    ])
      expect((await refused(archive)).facts).to.include({ code: 'CORRUPT_ARCHIVE', entry: 'h' });
  });

  it('is ARTIFACT_TOO_LARGE as soon as a header exceeds the limit, holes included', async () => {
    const sparse = archiveOf(
      paxBlocks({ 'GNU.sparse.size': String(2 ** 52), 'GNU.sparse.map': '0,0' }),
      fileBlocks('s'),
    );
    for (const archive of [sparse, archiveOf(fileBlocks('a', 'x'.repeat(600)), fileBlocks('b', 'x'.repeat(600)))])
      expect((await refused(archive, { expandedLimitBytes: 1199 })).facts).to.include({
        code: 'ARTIFACT_TOO_LARGE',
        limitBytes: 1199,
      });
  });

  it('has its set-id bits cleared, or is rejected for them', async () => {
    const archive = archiveOf(fileBlocks('su', '1', { mode: 0o6755 }));
    expect((await refused(archive, { set: 'error' })).facts).to.include({ code: 'UNSUPPORTED_ENTRY', entry: 'su' });
    const { id, folder } = await agent.volume();
    await agent.upload(id, archive);
    expect((await contentOf(folder)).get('su')?.mode).to.equal(0o755);
  });

  it('succeeds or fails with a code for any changed bytes', async () => {
    const whole = archiveOf(
      paxBlocks({ mtime: '1.5', path: 'dir/long' }),
      fileBlocks('f', 'content'),
      headerBlock({ name: 'dir/', type: '5', mode: 0o755 }),
      headerBlock({ name: 'h', type: '1', link: 'dir/long' }),
      paxBlocks({ 'GNU.sparse.size': '100', 'GNU.sparse.map': '0,2,50,2' }),
      fileBlocks('s', 'abcd'),
    );
    const change = tuple(
      integer({ min: 0, max: whole.length - END_OF_ARCHIVE.length - 1 }),
      integer({ min: 0, max: 255 }),
    );
    await assert(
      asyncProperty(array(change, { minLength: 1, maxLength: 3 }), async (changes) => {
        const broken = Buffer.from(whole);
        for (const [at, value] of changes) broken[at] = value;
        const { id } = await agent.volume();
        await agent.upload(id, broken, { expandedLimitBytes: 1_000_000 }).catch((error: unknown) => {
          if (!(error instanceof AgentFailure)) throw error;
          expect(error.code).to.be.oneOf([
            'CORRUPT_ARCHIVE',
            'TRUNCATED_ARCHIVE',
            'UNSAFE_ARCHIVE_PATH',
            'UNSUPPORTED_ENTRY',
            'ARTIFACT_TOO_LARGE',
            'PATH_CONFLICT',
          ]);
        });
      }),
      { numRuns: 60 },
    );
  });
});
