import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { expect } from 'chai';

import { failureOf } from '../../support/agent/agent-connection.ts';
import { encodeData, encodeEnd, frameType, sha256 } from '../../support/agent/agent-frames.ts';
import { until } from '../../support/agent/agent-process.ts';
import { LimitedFolder } from '../../support/limited-folder.ts';
import { archiveOf, contentOf, fileBlocks, headerBlock, TarAgent } from './tar-volume.ts';

describe('an upload to a full disk', () => {
  let disk: LimitedFolder | undefined;
  let agent: TarAgent | undefined;

  /** Starts an agent whose state and volumes are on such a disk, with a volume that has content. */
  const start = async (context: Mocha.Context, options: string) => {
    disk = await LimitedFolder.mount(options);
    if (disk === undefined) {
      console.log('      skipped: no tmpfs can be mounted here, neither as root nor in a user namespace');
      context.skip();
    }
    agent = await TarAgent.start({ folder: disk.folder });
    const { id, folder } = await agent.volume();
    await agent.upload(
      id,
      archiveOf(headerBlock({ name: 'd/', type: '5', mode: 0o755 }), fileBlocks('d/before', '1'), fileBlocks('f', '2')),
    );
    return { disk, agent, id, folder, before: (await agent.download(id)).archive };
  };

  /**
   * Checks that the volume has the same bytes, nothing is staged, and as much space is free as
   * before.
   */
  const unchanged = async (run: Awaited<ReturnType<typeof start>>): Promise<void> => {
    expect((await run.agent.download(run.id)).archive.equals(run.before)).to.equal(true);
    expect(await run.agent.staged(run.id)).to.deep.equal([]);
  };

  afterEach(async () => {
    await agent?.[Symbol.asyncDispose]();
    await disk?.[Symbol.asyncDispose]();
    agent = disk = undefined;
  });

  const large = archiveOf(fileBlocks('d/new', '3'), fileBlocks('large', 'x'.repeat(6_000_000)));

  it('is DISK_FULL with the entry, does not change the volume, and succeeds once there is space', async function () {
    const run = await start(this, 'size=8m');
    await writeFile(join(run.disk.folder, 'filler'), Buffer.alloc(4_000_000));
    const failure = await failureOf(run.agent.upload(run.id, large));
    expect(failure.facts).to.include({ code: 'DISK_FULL', errnoName: 'ENOSPC', entry: 'large' });
    await unchanged(run);
    await rm(join(run.disk.folder, 'filler'));
    await run.agent.upload(run.id, large);
    expect([...(await contentOf(run.folder)).keys()]).to.deep.equal(['d', 'd/before', 'd/new', 'f', 'large']);
  });

  it('is DISK_FULL without free inodes', async function () {
    const run = await start(this, 'size=8m,nr_inodes=60');
    const many = archiveOf(...Array.from({ length: 100 }, (_, index) => fileBlocks(`d/${index}`)));
    expect((await failureOf(run.agent.upload(run.id, many))).facts).to.include({
      code: 'DISK_FULL',
      errnoName: 'ENOSPC',
    });
    await unchanged(run);
    await run.agent.upload(run.id, archiveOf(fileBlocks('d/new')));
  });

  it('is DISK_FULL if the space is used up between the last byte and the commit', async function () {
    const run = await start(this, 'size=8m');
    const { connection } = run.agent;
    const archive = archiveOf(fileBlocks('d/new', '3'), fileBlocks('f', '4'));
    const id = run.agent.newId();
    connection.open({ op: 'receive', id, attempt: 1, volume: run.id, path: 'new/folder' });
    await connection.opened();
    await connection.expect(frameType.window);
    connection.write(encodeData(0, 0, archive));
    const last = join(run.disk.folder, 'volumes', run.id, 'staging', id, 'f');
    await until('the last entry is staged', async () => (await readFile(last, 'utf8').catch(() => '')) === '4');
    await writeFile(join(run.disk.folder, 'filler'), Buffer.alloc(9_000_000)).catch(() => undefined);
    for (let size = 4096; size > 0; size >>= 1)
      await writeFile(join(run.disk.folder, `filler-${size}`), Buffer.alloc(size)).catch(() => undefined);
    connection.write(encodeEnd(0, archive.length, sha256(archive)));
    const failure = await failureOf(connection.expectJson(frameType.result));
    connection.done();
    expect(failure.code).to.equal('DISK_FULL');
    await unchanged(run);
  });
});

describe('an upload to an impossible target', () => {
  const agent = TarAgent.forSuite();

  const archive = archiveOf(fileBlocks('f', '1'));

  for (const [what, path, code] of [
    ['a file', 'file', 'PATH_CONFLICT'],
    ['something below a file', 'file/below/it', 'PATH_CONFLICT'],
    ['a symbolic link', 'link', 'UNSAFE_PATH'],
    ['something below a symbolic link', 'link/below', 'UNSAFE_PATH'],
    ['outside of the volume', 'a/../../x', 'UNSAFE_PATH'],
  ] as const) {
    it(`is ${code} if the target is ${what}, and changes nothing`, async () => {
      const { id } = await agent.volume();
      await agent.upload(
        id,
        archiveOf(fileBlocks('file', 'mine'), headerBlock({ name: 'link', type: '2', link: '/tmp' })),
      );
      const { archive: before } = await agent.download(id);
      expect((await failureOf(agent.upload(id, archive, { path }))).code).to.equal(code);
      expect((await agent.download(id)).archive.equals(before)).to.equal(true);
      expect(await agent.staged(id)).to.deep.equal([]);
    });
  }

  it('creates the missing folders of its target', async () => {
    const { id, folder } = await agent.volume();
    await agent.upload(id, archive, { path: '/a//b/./c/' });
    const content = await contentOf(folder);
    expect([...content.keys()]).to.deep.equal(['a', 'a/b', 'a/b/c', 'a/b/c/f']);
    expect(content.get('a/b')?.mode).to.equal(0o755);
  });

  it('is NOT_PERMITTED in a read-only volume', async function () {
    const disk = await LimitedFolder.mount('size=8m');
    if (disk === undefined) {
      console.log('      skipped: no tmpfs can be mounted here, neither as root nor in a user namespace');
      this.skip();
    }
    await using limited = disk;
    await using other = await TarAgent.start({ folder: limited.folder });
    const { id } = await other.volume();
    await other.upload(id, archive);
    const { archive: before } = await other.download(id);
    await limited.run(
      `mount --bind "$0/volumes/${id}" "$0/volumes/${id}" && mount -o remount,bind,ro "$0/volumes/${id}"`,
    );
    expect((await failureOf(other.upload(id, archive))).facts).to.include({
      code: 'NOT_PERMITTED',
      errnoName: 'EROFS',
    });
    expect((await failureOf(other.call({ op: 'remove', volume: id }))).code).to.equal('NOT_PERMITTED');
    expect((await other.download(id)).archive.equals(before)).to.equal(true);
  });
});
