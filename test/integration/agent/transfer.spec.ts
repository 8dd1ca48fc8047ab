import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { constants, setPriority } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { zstdCompressSync } from 'node:zlib';

import { expect } from 'chai';

import { type AgentConnection, failureOf } from '../../support/agent/agent-connection.ts';
import { withAgent } from '../../support/agent/agent-fixture.ts';
import { encodeData, encodeFrame, frameType, sha256 } from '../../support/agent/agent-frames.ts';
import { AgentProcess, exists, until } from '../../support/agent/agent-process.ts';
import { readTar, readTarText, tarOf } from '../../support/tar.ts';

describe('transfers', () => {
  const agent = withAgent();

  const dataOf = (volume: string, ...path: string[]): string => join(agent.folder, 'volumes', volume, 'data', ...path);
  const staged = async (volume: string): Promise<string[]> =>
    readdir(join(agent.folder, 'volumes', volume, 'staging')).catch(() => []);

  it('upload and download the same content', async () => {
    const big = randomBytes(3_000_000);
    const archive = await tarOf({
      dir: null,
      'dir/file': 'text',
      big,
      'dir/link': { type: 'symlink', linkname: 'file' },
      'run.sh': { mode: 0o755, content: '#!' },
    });
    const up = await agent.connection.receive({ id: 'up-1', volume: 'round', path: 'some/where' }, archive);
    expect(up).to.include({ bytes: archive.length, sha256: sha256(archive).toString('hex'), entries: 5 });
    expect(await readFile(dataOf('round', 'some/where/dir/file'), 'utf8')).to.equal('text');
    expect(await staged('round')).to.deep.equal([]);
    const down = await agent.connection.send({ id: 'down-1', volume: 'round', path: 'some/where' });
    expect(down.opened).to.deep.equal({ from: 0, kind: 'directory' });
    expect(down.result).to.include({
      bytes: down.archive.length,
      sha256: sha256(down.archive).toString('hex'),
      entries: 5,
      skipped: 0,
    });
    const entries = await readTar(down.archive);
    expect([...entries.keys()]).to.deep.equal(['big', 'dir', 'dir/file', 'dir/link', 'run.sh']);
    expect(entries.get('big')?.content.equals(big)).to.equal(true);
    expect(entries.get('run.sh')?.mode).to.equal(0o755);
    expect(
      (await agent.connection.send({ id: 'down-2', volume: 'round', path: 'some/where' })).archive.equals(down.archive),
    ).to.equal(true);
  });

  it('accept zstd frames, and send them if they are smaller', async () => {
    const archive = await tarOf({ text: 'all the same '.repeat(200_000) });
    await agent.connection.receive({ id: 'zstd', volume: 'zstd' }, archive, {
      compress: (bytes) => zstdCompressSync(bytes),
    });
    const { archive: down, compressedFrames } = await agent.connection.send({ id: 'zstd-down', volume: 'zstd' });
    expect(compressedFrames).to.be.above(5);
    expect(await readTarText(down)).to.deep.equal({ text: 'all the same '.repeat(200_000) });
  });

  it('merge an upload into existing content', async () => {
    await agent.connection.receive(
      { id: 'merge-1', volume: 'merge' },
      await tarOf({ a: null, 'a/old': '1', 'a/both': '1' }),
    );
    await agent.connection.receive(
      { id: 'merge-2', volume: 'merge' },
      await tarOf({ a: null, 'a/new': '2', 'a/both': '2' }),
    );
    expect(await readTarText((await agent.connection.send({ id: 'merge-3', volume: 'merge' })).archive)).to.deep.equal({
      'a/old': '1',
      'a/both': '2',
      'a/new': '2',
    });
    const conflict = await failureOf(
      agent.connection.receive({ id: 'merge-4', volume: 'merge' }, await tarOf({ first: 'x', 'a/both': null })),
    );
    expect(conflict.code).to.equal('PATH_CONFLICT');
    expect(await exists(dataOf('merge', 'first'))).to.equal(false);
    expect(await staged('merge')).to.deep.equal([]);
  });

  for (const [what, code, damage] of [
    ['a digest that is another', 'DIGEST_MISMATCH', { digest: Buffer.alloc(32) }],
    ['an archive that is cut short', 'TRUNCATED_ARCHIVE', { cut: 2000 }],
    ['an empty stream', 'TRUNCATED_ARCHIVE', { cut: 0 }],
    ['garbage', 'CORRUPT_ARCHIVE', { garbage: true }],
  ] as const) {
    it(`reject ${what}, and do not change the volume`, async () => {
      const archive = await tarOf({ other: 'x'.repeat(5000) });
      await agent.connection.receive({ id: 'before', volume: 'safe' }, await tarOf({ kept: 'kept' }));
      const bytes =
        'garbage' in damage
          ? Buffer.alloc(10_240, 'garbage!')
          : 'cut' in damage
            ? archive.subarray(0, damage.cut)
            : archive;
      const failure = await failureOf(
        agent.connection.receive(
          { id: 'broken', volume: 'safe' },
          bytes,
          'digest' in damage ? { digest: damage.digest } : {},
        ),
      );
      expect(failure.code).to.equal(code);
      expect(await readdir(dataOf('safe'))).to.deep.equal(['kept']);
      expect(await staged('safe')).to.deep.equal([]);
      // The connection accepts the next operation.
      expect(await agent.connection.call({ op: 'status' })).to.include({ operations: 0 });
    });
  }

  it('reject an archive that becomes too large', async () => {
    const archive = await tarOf({ a: 'x'.repeat(600), b: 'x'.repeat(600) });
    const failure = await failureOf(
      agent.connection.receive({ id: 'large', volume: 'large', expandedLimitBytes: 1000 }, archive),
    );
    expect(failure.facts).to.include({ code: 'ARTIFACT_TOO_LARGE', limitBytes: 1000 });
    expect(
      await agent.connection.receive({ id: 'large', volume: 'large', expandedLimitBytes: 1200 }, archive),
    ).to.include({
      expandedBytes: 1200,
    });
  });

  const begin = async (volume: string, id: string, archive: Buffer): Promise<AgentConnection> => {
    const other = await agent.connect();
    other.open({ op: 'receive', id, volume, path: '', attempt: 1 });
    await other.expect(frameType.opened);
    await other.expect(frameType.window);
    other.write(encodeData(0, 0, archive.subarray(0, 100_000)));
    await until('the agent has begun', async () => (await staged(volume)).includes(id));
    return other;
  };

  it('do not change the volume when the connection is cut', async () => {
    const cut = await begin('cut', 'cut', await tarOf({ big: randomBytes(1_000_000) }));
    expect(await agent.connection.call({ op: 'status' })).to.include({ operations: 1 });
    cut.destroy();
    await until('staging is gone', async () => (await staged('cut')).length === 0);
    expect(await readdir(dataOf('cut'))).to.deep.equal([]);
    await until('nothing runs', async () => (await agent.connection.call({ op: 'status' }))['operations'] === 0);
  });

  it('do not change the volume when the host cancels, and accept the next operation', async () => {
    const cancelled = await begin('cancel', 'cancel', await tarOf({ big: randomBytes(1_000_000) }));
    cancelled.write(encodeFrame(frameType.cancel));
    expect((await cancelled.expectJson(frameType.error))['code']).to.equal('CANCELLED');
    expect(await staged('cancel')).to.deep.equal([]);
    expect(await readdir(dataOf('cancel'))).to.deep.equal([]);
    cancelled.done();
    expect(await cancelled.call({ op: 'status' })).to.include({ operations: 0 });
    await cancelled.bye();
  });

  it('pass an upload to a higher attempt, and reject a lower one', async () => {
    const archive = await tarOf({ big: randomBytes(1_000_000) });
    const older = await begin('attempts', 'upload', archive);
    expect(
      (await failureOf(agent.connection.receive({ id: 'upload', volume: 'attempts', attempt: 1 }, archive))).code,
    ).to.equal('INVALID_SPEC');
    expect(await agent.connection.receive({ id: 'upload', volume: 'attempts', attempt: 2 }, archive)).to.include({
      bytes: archive.length,
    });
    await older.ended;
  });

  for (const [what, frame] of [
    ['that leaves a gap', encodeData(0, 1, Buffer.from('x'))],
    ['of another stream', encodeData(1, 0, Buffer.from('x'))],
    ['that does not expand to its length', encodeData(0, 0, Buffer.alloc(1000), zstdCompressSync(Buffer.alloc(2000)))],
    ['that is no zstd', encodeData(0, 0, Buffer.alloc(1000), Buffer.alloc(50, 7))],
    ['of impossible length', encodeData(0, 0, Buffer.alloc(262_145), Buffer.alloc(10))],
  ] as const) {
    it(`treat DATA ${what} as a protocol violation`, async () => {
      const other = await agent.connect();
      other.open({ op: 'receive', id: 'violation', volume: 'violation', path: '', attempt: 1 });
      await other.expect(frameType.opened);
      await other.expect(frameType.window);
      other.write(frame);
      expect((await other.expectJson(frameType.error))['code']).to.equal('PROTOCOL_VIOLATION');
      expect(await staged('violation')).to.deep.equal([]);
      other.destroy();
    });
  }

  it('send one entry for a file, and report a missing path', async () => {
    await agent.connection.receive({ id: 'one', volume: 'one' }, await tarOf({ d: null, 'd/file': 'content' }));
    const file = await agent.connection.send({ id: 'one-down', volume: 'one', path: 'd/file' });
    expect(file.opened['kind']).to.equal('file');
    expect(await readTarText(file.archive)).to.deep.equal({ file: 'content' });
    expect((await failureOf(agent.connection.send({ id: 'none', volume: 'one', path: 'd/none' }))).code).to.equal(
      'FILE_NOT_FOUND',
    );
    expect((await failureOf(agent.connection.send({ id: 'none', volume: 'no-such-volume' }))).code).to.equal(
      'VOLUME_NOT_FOUND',
    );
    expect((await failureOf(agent.connection.send({ id: 'none', volume: 'one', path: '../x' }))).code).to.equal(
      'UNSAFE_PATH',
    );
    expect((await failureOf(agent.connection.send({ id: 'none', volume: '..', path: '' }))).code).to.equal(
      'INVALID_SPEC',
    );
  });

  it('stop a download that the host cancels', async () => {
    await agent.connection.receive({ id: 'stop', volume: 'stop' }, await tarOf({ big: randomBytes(2_000_000) }));
    agent.connection.open({ op: 'send', id: 'stopped', attempt: 1, volume: 'stop', path: '' });
    await agent.connection.expect(frameType.opened);
    agent.connection.window(1, 0, 300_000);
    await agent.connection.expect(frameType.data);
    agent.connection.write(encodeFrame(frameType.cancel));
    let frame = await agent.connection.next();
    while (frame?.type === frameType.data) frame = await agent.connection.next();
    expect(JSON.parse(String(frame?.payload))).to.have.property('code', 'CANCELLED');
    agent.connection.done();
    expect(await agent.connection.call({ op: 'status' })).to.include({ operations: 0 });
  });

  it('copy from volume to volume', async () => {
    await agent.connection.receive({ id: 'from', volume: 'from' }, await tarOf({ d: null, 'd/a': 'a', b: 'b' }));
    expect(
      await agent.connection.call({ op: 'copy', id: 'copy', from: 'from', to: 'copied', path: 'd', toPath: 'x/y' }),
    ).to.include({
      entries: 1,
      expandedBytes: 1,
    });
    expect(await readFile(dataOf('copied', 'x/y/a'), 'utf8')).to.equal('a');
    expect(
      (await failureOf(agent.connection.call({ op: 'copy', id: 'copy', from: 'nowhere', to: 'copied' }))).code,
    ).to.equal('VOLUME_NOT_FOUND');
  });

  it('empty a volume and keep its folder, and ignore a missing volume', async () => {
    await agent.connection.receive({ id: 'fill', volume: 'empty' }, await tarOf({ d: null, 'd/a': 'a' }));
    expect(await agent.connection.call({ op: 'remove', volume: 'empty' })).to.deep.equal({});
    expect(await readdir(dataOf('empty'))).to.deep.equal([]);
    expect(await agent.connection.call({ op: 'remove', volume: 'not-there' })).to.deep.equal({});
    expect((await agent.connection.call({ op: 'status' }))['volumes'])
      .to.include('empty')
      .and.not.include('not-there');
  });

  it('answer pings, and report progress, during a long phase without bytes', async () => {
    const others = await agent.children();
    const own = await agent.connect();
    const session = (await agent.children()).find((pid) => !others.includes(pid));
    if (session === undefined) throw new Error('no session serves the connection');
    // The session is suspended in the first half of its copy, so that the speed of the machine does
    // not matter: PONG and PROGRESS are due when it continues. A faster machine gets more files. On a
    // busy one, this test comes before the copy.
    setPriority(session, constants.priority.PRIORITY_LOW);
    for (let files = 2_000; ; files *= 2) {
      const [volume, copied] = [`many-${files}`, `copied-${files}`];
      const copiedFiles = async (): Promise<number> =>
        (await readdir(join(agent.folder, 'volumes', copied, 'staging', copied)).catch(() => [])).length;
      await mkdir(dataOf(volume), { recursive: true });
      for (let file = 0; file < files; file += 1) writeFileSync(dataOf(volume, String(file)), '');
      own.open({ op: 'copy', id: copied, from: volume, to: copied, attempt: 1 });
      await until('it copies', async () => (await copiedFiles()) > 0 || (await exists(dataOf(copied, '0'))));
      process.kill(session, 'SIGSTOP');
      await sleep(1_100);
      const found = await copiedFiles();
      own.write(encodeFrame(frameType.ping, Buffer.from('answer!!')));
      process.kill(session, 'SIGCONT');
      const types: number[] = [];
      while (types.at(-1) !== frameType.result) types.push((await own.next())?.type ?? frameType.result);
      own.done();
      if (found === 0 || found > files / 2) continue;
      expect(types.slice(0, -1)).to.include.members([frameType.pong, frameType.progress]);
      return;
    }
  });

  it('complete an interrupted commit, and discard content that was only staged', async () => {
    await using own = await AgentProcess.start();
    const other = await own.connect();
    await other.receive({ id: 'first', volume: 'v' }, await tarOf({ kept: 'kept' }));
    const staging = join(own.folder, 'volumes/v/staging');
    for (const [operation, file] of [
      ['marked', 'completed'],
      ['unmarked', 'dropped'],
    ] as const) {
      await mkdir(join(staging, operation), { recursive: true });
      await writeFile(join(staging, operation, file), file);
    }
    await writeFile(join(own.folder, 'agent/operations/marked'), JSON.stringify({ volume: 'v', path: 'deep/er' }));
    await own.killAndRestart();
    const after = await own.connect();
    expect(await readTarText((await after.send({ id: 'look', volume: 'v' })).archive)).to.deep.equal({
      kept: 'kept',
      'deep/er/completed': 'completed',
    });
    expect(await readdir(staging)).to.deep.equal([]);
    expect(await readdir(join(own.folder, 'agent/operations'))).to.deep.equal([]);
  });

  it('report a volume as damaged if its commit cannot be completed, and serve the others', async () => {
    await using own = await AgentProcess.start();
    const other = await own.connect();
    await other.receive({ id: 'first', volume: 'v' }, await tarOf({ name: 'a file' }));
    await mkdir(join(own.folder, 'volumes/v/staging/marked/name'), { recursive: true });
    await writeFile(join(own.folder, 'agent/operations/marked'), JSON.stringify({ volume: 'v', path: '' }));
    await own.killAndRestart();
    const after = await own.connect();
    const failure = await failureOf(after.send({ id: 'look', volume: 'v' }));
    expect(failure.code).to.equal('VOLUME_DAMAGED');
    expect(await after.receive({ id: 'good', volume: 'w' }, await tarOf({ a: 'a' }))).to.include({ entries: 1 });
  });

  it('follow no link in the path of the target', async () => {
    await agent.connection.receive({ id: 'links', volume: 'links' }, await tarOf({ a: 'a' }));
    await symlink('/tmp', dataOf('links', 'out'));
    const failure = await failureOf(
      agent.connection.receive({ id: 'through', volume: 'links', path: 'out/below' }, await tarOf({ evil: 'x' })),
    );
    expect(['UNSAFE_PATH', 'PATH_CONFLICT', 'UNSAFE_ARCHIVE_PATH']).to.include(failure.code);
    expect(await exists('/tmp/below')).to.equal(false);
  });

  it('send an empty folder as an empty, complete archive', async () => {
    await agent.connection.receive({ id: 'nothing', volume: 'nothing' }, await tarOf({}));
    const { archive } = await agent.connection.send({ id: 'nothing-down', volume: 'nothing' });
    expect(archive.length % 512).to.equal(0);
    expect(archive.length).to.be.above(1023);
  });
});
