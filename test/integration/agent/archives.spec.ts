/** The archive files of a store pod's agent, as docs/agent-protocol.md 4 specifies them. */
import { createHash, randomBytes } from 'node:crypto';
import { appendFile, mkdir, readdir, readFile, symlink, truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { expect } from 'chai';

import { type AgentConnection, failureOf, type Json } from '../../support/agent/agent-connection.ts';
import { withAgent } from '../../support/agent/agent-fixture.ts';
import { decodeData, encodeData, encodeEnd, encodeFrame, frameType } from '../../support/agent/agent-frames.ts';
import { exists, until } from '../../support/agent/agent-process.ts';
import { agentSessions } from '../../support/agent/agent-sessions.ts';

const WINDOW = 8 * 1024 * 1024;
const leaseMs = 60_000;
const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

describe('archive files', () => {
  const agent = withAgent();
  const pathOf = (key: string): string => join(agent.folder, 'archives', key);
  const write = async (key: string, bytes: Buffer, more: Json = {}): Promise<Json> =>
    await agent.connection.receive({ op: 'archive-write', id: 'write', key, ...more }, bytes);
  const read = async (key: string, more: Json = {}) =>
    await agent.connection.send({ op: 'archive-read', id: 'read', key, ...more });
  const list = async (prefix: string, more: Json = {}): Promise<Json[]> => {
    const { archive, result } = await agent.connection.send({ op: 'archive-list', id: 'list', prefix, ...more });
    const lines = archive.toString().split('\n');
    expect(lines.pop()).to.equal('');
    expect(result).to.include({ bytes: archive.length, entries: lines.length });
    return lines.map((line) => JSON.parse(line) as Json);
  };
  const put = async (key: string, content = 'x'): Promise<void> => {
    await mkdir(dirname(pathOf(key)), { recursive: true });
    await writeFile(pathOf(key), content);
  };

  context('when one is written', () => {
    for (const size of [0, 1, WINDOW - 1, WINDOW, WINDOW + 1])
      it(`has exactly the ${size} bytes, and can be read`, async () => {
        const bytes = randomBytes(size);
        const key = `size/00/${size}.tar.zst`;
        expect(await write(key, bytes)).to.deep.equal({
          bytes: size,
          sha256: sha256(bytes),
          entries: 1,
          expandedBytes: size,
        });
        expect((await readFile(pathOf(key))).equals(bytes)).to.equal(true);
        const { opened, result, archive } = await read(key);
        expect(opened).to.deep.equal({ from: 0, kind: 'file', size });
        expect(result).to.deep.equal({ bytes: size, sha256: sha256(bytes), entries: 1 });
        expect(archive.equals(bytes)).to.equal(true);
      });

    it('refuses a key that exists, and leaves its bytes', async () => {
      await write('once/00/key', Buffer.from('first'));
      const failure = await failureOf(write('once/00/key', Buffer.from('second')));
      expect(failure.facts).to.include({ code: 'ARCHIVE_EXISTS', path: 'once/00/key' });
      expect(await readFile(pathOf('once/00/key'), 'utf8')).to.equal('first');
    });

    it('removes the file after a wrong digest', async () => {
      const open = { op: 'archive-write', id: 'digest', key: 'wrong/00/digest' };
      const failure = await failureOf(
        agent.connection.receive(open, Buffer.from('bytes'), { digest: Buffer.alloc(32, 1) }),
      );
      expect(failure.code).to.equal('DIGEST_MISMATCH');
      expect(await exists(pathOf('wrong/00/digest'))).to.equal(false);
    });

    it('removes the file after CANCEL', async () => {
      const { connection } = agent;
      connection.open({ op: 'archive-write', id: 'cancel', key: 'cancel/00/key', leaseMs });
      await connection.opened();
      connection.write(encodeData(0, 0, Buffer.from('some bytes')));
      await until('the file exists', () => exists(pathOf('cancel/00/key')));
      connection.write(encodeFrame(frameType.cancel));
      await connection.expect(frameType.window);
      expect(await failureOf(connection.expect(frameType.result))).to.have.property('code', 'CANCELLED');
      expect(await exists(pathOf('cancel/00/key'))).to.equal(false);
      connection.done();
      await connection.bye();
    });

    it('fails, and removes the file, if the file has another size than what was written', async () => {
      const { connection } = agent;
      connection.open({ op: 'archive-write', id: 'size', key: 'size/01/key' });
      await connection.opened();
      await connection.expect(frameType.window);
      connection.write(encodeData(0, 0, Buffer.from('bytes')));
      await until('it is written', async () => (await readFile(pathOf('size/01/key'))).length === 5);
      await appendFile(pathOf('size/01/key'), 'more');
      connection.write(encodeEnd(0, 5, createHash('sha256').update('bytes').digest()));
      expect(await failureOf(connection.expect(frameType.result))).to.have.property('code', 'IO_ERROR');
      connection.done();
      expect(await exists(pathOf('size/01/key'))).to.equal(false);
    });

    it('removes the file when its operation is removed without a connection', async () => {
      const connection = await agent.connect();
      connection.open({ op: 'archive-write', id: 'parked', key: 'parked/00/key', leaseMs });
      await connection.opened();
      connection.destroy();
      await until('it is parked', async () => (await agent.connection.call({ op: 'status' }))['parked'] === 1);
      expect(await exists(pathOf('parked/00/key'))).to.equal(true);
      await agent.connection.call({ op: 'remove', operation: 'parked' });
      expect(await exists(pathOf('parked/00/key'))).to.equal(false);
    });

    it('resumes over further connections, cut at any place', async () => {
      const bytes = randomBytes(1_000_000);
      const open = { op: 'archive-write', id: 'cut', key: 'cut/00/key', leaseMs };
      let from = 0;
      for (let attempt = 1; from < bytes.length; attempt++) {
        const connection = await agent.connect();
        connection.open({ ...open, attempt, resume: attempt > 1 });
        expect((await connection.opened())['from']).to.equal(from);
        const next = Math.min(bytes.length, from + 1 + attempt * 50_000);
        connection.write(encodeData(0, from, bytes.subarray(from, next)));
        await taken(connection, attempt);
        const cut = encodeData(0, next, bytes.subarray(next, next + 10));
        if (next < bytes.length) connection.write(cut.subarray(0, (attempt * 7) % cut.length));
        connection.destroy();
        from = next;
      }
      const result = await agent.connection.resumeReceive({ ...open, attempt: 99 }, bytes);
      expect(result).to.include({ bytes: bytes.length, sha256: sha256(bytes) });
      expect((await readFile(pathOf('cut/00/key'))).equals(bytes)).to.equal(true);
    });

    it('remains if its process is killed; the host deletes it by its key', async () => {
      const open = { op: 'archive-write', id: 'crash', key: 'crash/00/key', leaseMs };
      // Its session has a process now, which is not the one to kill.
      await agent.connection.call({ op: 'archive-usage' });
      const before = await agentSessions(agent.process);
      const connection = await agent.connect();
      connection.open(open);
      await connection.opened();
      connection.write(encodeData(0, 0, Buffer.from('some bytes')));
      await until('it is written', async () => (await readFile(pathOf('crash/00/key'))).length > 0);
      const killed = (await agentSessions(agent.process)).filter((session) => !before.includes(session));
      for (const session of killed) process.kill(session, 'SIGKILL');
      await connection.ended;
      // Until then the agent hands a connection that resumes over to it: the host would repeat its call.
      await until('it is reaped', async () => !(await agent.children()).some((child) => killed.includes(child)));
      agent.connection.open({ ...open, attempt: 2, resume: true });
      expect(await failureOf(agent.connection.opened())).to.have.property('code', 'OPERATION_GONE');
      expect(await readFile(pathOf('crash/00/key'), 'utf8')).to.equal('some bytes');
      expect(await agent.connection.call({ op: 'archive-delete', key: 'crash/00/key' })).to.deep.equal({
        existed: true,
      });
      expect(await exists(pathOf('crash/00/key'))).to.equal(false);
    });

    it('is removed when the agent ends before its end', async () => {
      const connection = await agent.connect();
      connection.open({ op: 'archive-write', id: 'ends', key: 'ends/00/key', leaseMs });
      await connection.opened();
      await agent.killAndRestart();
      const next = await agent.connect();
      expect(await next.call({ op: 'archive-delete', key: 'ends/00/key' })).to.deep.equal({ existed: false });
    });

    for (const [what, key] of [
      ['empty', ''],
      ['of two parts', 'a/b'],
      ['of four parts', 'a/b/c/d'],
      ['with an empty part', 'a//c'],
      ['with a part that begins with a dot', 'a/..b/c'],
      ['that leads upwards', '../../etc'],
      ['that is absolute', '/a/b'],
      ['with capitals', 'a/B/c'],
      ['with another character', 'a/b/c_d'],
      ['of 201 characters', `a/b/${'c'.repeat(197)}`],
    ] as const)
      it(`refuses a key ${what}`, async () => {
        for (const operation of [() => write(key, Buffer.alloc(0)), () => read(key)])
          expect((await failureOf(operation())).facts).to.include({ code: 'INVALID_SPEC', path: 'key' });
        const deletion = await failureOf(agent.connection.call({ op: 'archive-delete', key }));
        expect(deletion.facts).to.include({ code: 'INVALID_SPEC', path: 'key' });
      });

    it('accepts a key of 200 characters', async () => {
      const key = `a/b/${'c'.repeat(196)}`;
      await write(key, Buffer.from('long'));
      expect((await list('a/b/c')).map((entry) => entry['key'])).to.deep.equal([key]);
    });
  });

  context('with a symbolic link in the way', () => {
    it('follows none, neither as a folder nor as a file', async () => {
      const outside = join(agent.folder, 'outside');
      await mkdir(join(outside, '00'), { recursive: true });
      await writeFile(join(outside, '00/key'), 'outside');
      await mkdir(pathOf('links/00'), { recursive: true });
      await symlink(outside, pathOf('linked'));
      await symlink(join(outside, '00'), pathOf('links/01'));
      await symlink(join(outside, '00/key'), pathOf('links/00/key'));
      await symlink(join(outside, 'new'), pathOf('links/00/dangling'));
      for (const key of ['linked/00/key', 'links/01/key', 'links/00/key']) {
        expect(await failureOf(read(key)), key).to.have.property('code', 'IO_ERROR');
        expect(await failureOf(write(key, Buffer.from('new'))), key)
          .to.have.property('code')
          .that.is.oneOf(['IO_ERROR', 'ARCHIVE_EXISTS']);
      }
      expect(await failureOf(write('links/00/dangling', Buffer.from('new')))).to.have.property(
        'code',
        'ARCHIVE_EXISTS',
      );
      expect(await list('link')).to.deep.equal([]);
      expect(await readFile(join(outside, '00/key'), 'utf8')).to.equal('outside');
      expect(await readdir(outside)).to.deep.equal(['00']);
    });
  });

  context('when one is read', () => {
    it('begins at the offset, with count and digest from there', async () => {
      const bytes = randomBytes(600_000);
      await write('offset/00/key', bytes);
      for (const offset of [1, 262_144, 599_999, 600_000, 700_000]) {
        const { opened, result, archive } = await read('offset/00/key', { offset });
        const rest = bytes.subarray(offset);
        expect(opened).to.deep.equal({ from: 0, kind: 'file', size: 600_000 });
        expect(result).to.include({ bytes: rest.length, sha256: sha256(rest) });
        expect(archive.equals(rest)).to.equal(true);
      }
    });

    it('is missing if there is no file, or no folder', async () => {
      await put('missing/00/other');
      for (const key of ['missing/00/key', 'missing/01/key', 'none/00/key'])
        expect((await failureOf(read(key))).facts).to.include({ code: 'ARCHIVE_MISSING', path: key });
    });

    it('fails if the file shrinks during the read', async () => {
      await write('shrinks/00/key', randomBytes(3_000_000));
      const { connection } = agent;
      connection.open({ op: 'archive-read', id: 'shrinks', key: 'shrinks/00/key' });
      await connection.opened();
      connection.window(1, 0, 1_000_000);
      for (let at = 0; at < 1_000_000; ) at += decodeData(await connection.expect(frameType.data)).raw.length;
      await truncate(pathOf('shrinks/00/key'), 1_500_000);
      connection.window(1, 1_000_000, 9_000_000);
      for (;;) {
        const frame = await connection.next();
        if (frame?.type === frameType.data) continue;
        expect(JSON.parse(String(frame?.payload))).to.include({ code: 'FILE_CHANGED', path: 'shrinks/00/key' });
        break;
      }
      connection.done();
    });

    it('continues over another connection with the same bytes', async () => {
      const bytes = randomBytes(2_000_000);
      await write('resumed/00/key', bytes);
      const open = { op: 'archive-read', id: 'resumed', key: 'resumed/00/key', leaseMs, window: 500_000, offset: 100 };
      const first = await agent.connect();
      first.open(open);
      await first.opened();
      const head: Buffer[] = [];
      for (let at = 0; at < 500_000; at += head.at(-1)?.length ?? 0)
        head.push(decodeData(await first.expect(frameType.data)).raw);
      first.destroy();
      await until('it is parked', async () => (await agent.connection.call({ op: 'status' }))['parked'] === 1);
      const next = agent.connection;
      next.open({ ...open, attempt: 2, resume: true, from: 500_000 });
      expect((await next.opened())['from']).to.equal(500_000);
      next.window(1, 500_000, 9_000_000);
      for (let frame = await next.next(); frame?.type !== frameType.result; frame = await next.next()) {
        if (frame?.type !== frameType.data) continue;
        const { offset, raw } = decodeData(frame);
        head.push(raw);
        next.window(1, offset + raw.length, 9_000_000);
      }
      next.done();
      expect(Buffer.concat(head).equals(bytes.subarray(100))).to.equal(true);
    });
  });

  context('when one is deleted', () => {
    it('is gone, and the second time it did not exist', async () => {
      await write('gone/00/key', Buffer.from('x'));
      const remove = async (key: string): Promise<Json> => await agent.connection.call({ op: 'archive-delete', key });
      expect(await remove('gone/00/key')).to.deep.equal({ existed: true });
      expect(await exists(pathOf('gone/00/key'))).to.equal(false);
      expect(await remove('gone/00/key')).to.deep.equal({ existed: false });
      expect(await remove('never/00/key')).to.deep.equal({ existed: false });
    });
  });

  context('when they are listed', () => {
    it('are those whose keys begin with the prefix, with size and time, also incomplete ones', async () => {
      for (const key of ['list/00/a', 'list/00/ab', 'list/01/a', 'list2/00/a']) await put(key, key);
      const keys = async (prefix: string): Promise<unknown[]> => (await list(prefix)).map(({ key }) => key).sort();
      expect(await keys('list')).to.deep.equal(['list/00/a', 'list/00/ab', 'list/01/a', 'list2/00/a']);
      expect(await keys('list/')).to.deep.equal(['list/00/a', 'list/00/ab', 'list/01/a']);
      expect(await keys('list/00/a')).to.deep.equal(['list/00/a', 'list/00/ab']);
      expect(await keys('list/00/ab')).to.deep.equal(['list/00/ab']);
      expect(await keys('list/00/abc')).to.deep.equal([]);
      expect(await keys('list/0')).to.deep.equal(['list/00/a', 'list/00/ab', 'list/01/a']);
      const [entry] = await list('list/00/ab');
      expect(entry).to.include({ bytes: 10 });
      expect(Math.abs(Number(entry?.['modifiedMs']) - Date.now())).to.be.below(60_000);
    });

    it('do not include what has no key', async () => {
      await put('odd/00/key');
      for (const path of ['odd/00/.nfs1', 'odd/00/KEY', 'odd/.snapshot/key', 'odd/file', 'odd/00/folder/key'])
        await put(path);
      expect((await list('odd')).map(({ key }) => key)).to.deep.equal(['odd/00/key']);
    });

    it('may be more than fits into a frame', async () => {
      await mkdir(pathOf('many/00'), { recursive: true });
      const names = Array.from({ length: 100 }, (_, i) => `${i}-${'x'.repeat(180)}`);
      await Promise.all(names.map((name) => writeFile(pathOf(`many/00/${name}`), '')));
      const keys = (await list('many', { window: 1000 })).map(({ key }) => key);
      expect(keys.sort()).to.deep.equal(names.map((name) => `many/00/${name}`).sort());
    });

    it('refuses a prefix that begins no key', async () => {
      for (const prefix of ['A', 'a/_', 'x'.repeat(201)])
        expect((await failureOf(list(prefix))).facts).to.include({ code: 'INVALID_SPEC', path: 'prefix' });
    });
  });

  it('report the size of their file system', async () => {
    const { totalBytes, freeBytes } = await agent.connection.call({ op: 'archive-usage' });
    expect(Number(totalBytes)).to.be.above(Number(freeBytes));
    expect(Number(freeBytes)).to.be.above(0);
  });

  it('are unaffected by the removal of volumes, and by a restart of the agent', async () => {
    await write('kept/00/key', Buffer.from('x'));
    await agent.connection.call({ op: 'remove', volume: 'kept' });
    await agent.killAndRestart();
    const connection = await agent.connect();
    expect((await connection.send({ op: 'archive-read', id: 'r', key: 'kept/00/key' })).archive.toString()).to.equal(
      'x',
    );
  });
});

/** Waits until the agent has read all input so far. */
async function taken(connection: AgentConnection, attempt: number): Promise<void> {
  await connection.expect(frameType.window);
  connection.write(encodeFrame(frameType.ping, Buffer.alloc(8, attempt)));
  await connection.expect(frameType.pong);
}
