/** An interrupted commit is completed, or its volume is damaged; it is never lost. */
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { expect } from 'chai';

import {
  type AgentConnection,
  AgentFailure,
  Feeder,
  failureOf,
  type Json,
} from '../../support/agent/agent-connection.ts';
import { withAgent } from '../../support/agent/agent-fixture.ts';
import { decodeWindow, frameType } from '../../support/agent/agent-frames.ts';
import { AgentProcess, exists, until } from '../../support/agent/agent-process.ts';
import { agentSessions } from '../../support/agent/agent-sessions.ts';
import { AgentSyscalls } from '../../support/agent/agent-syscalls.ts';
import { LimitedFolder } from '../../support/limited-folder.ts';
import { tarOf } from '../../support/tar.ts';

const leaseMs = 60_000;
const resultOfUpload = { bytes: 10_240, sha256: 'ab'.repeat(32), entries: 1, expandedBytes: 4 };

describe('an interrupted commit', () => {
  const agent = withAgent({ per: 'test', mayReport: true });
  let syscalls: AgentSyscalls | string;

  before(async () => {
    syscalls = await AgentSyscalls.build();
  });

  after(async () => {
    if (typeof syscalls !== 'string') await syscalls[Symbol.asyncDispose]();
  });

  beforeEach(() => agent.connection.bye());

  const at = (...parts: string[]): string => join(agent.folder, ...parts);
  const markers = async (): Promise<string[]> => readdir(at('agent/operations'));

  /**
   * Creates the state of an agent that was killed after it had marked a commit: the marker and
   * staged content.
   */
  async function leave(
    operation: string,
    volume: string,
    staged: Record<string, string>,
    more: Json = {},
  ): Promise<void> {
    for (const [name, content] of Object.entries(staged)) {
      const path = at('volumes', volume, 'staging', operation, name);
      await mkdir(join(path, '..'), { recursive: true });
      await writeFile(path, content);
    }
    await writeFile(at('agent/operations', operation), JSON.stringify({ volume, path: '', ...more }));
  }

  /** Creates a commit that can never be completed: a folder exists in place of its file. */
  async function leaveConflict(operation: string, volume: string): Promise<void> {
    await mkdir(at('volumes', volume, 'data/name/below'), { recursive: true });
    await leave(operation, volume, { name: 'a file', other: 'other' });
  }

  async function codeOf(volume: string, connection?: AgentConnection): Promise<unknown> {
    const own = connection ?? (await agent.connect());
    const failure = await failureOf(own.send({ id: 'look', volume }));
    if (connection === undefined) await own.bye();
    return failure.code;
  }

  const upload = { op: 'receive', volume: 'v', path: '', leaseMs };

  async function begin(id: string, files: Record<string, string>, more: Json = {}): Promise<AgentConnection> {
    const connection = await agent.connect();
    connection.open({ ...upload, id, attempt: 1, ...more });
    await connection.opened();
    const archive = await tarOf(files);
    new Feeder(connection, archive).grant(decodeWindow(await connection.expect(frameType.window)));
    return connection;
  }

  /** Starts an agent that waits during the moves, at the file of this name. */
  async function startHeld(context: Mocha.Context, call: 'renameat' | 'unlinkat', name: string): Promise<string> {
    const unfit = process.getuid?.() === 0 ? syscalls : 'only root may look into the agent';
    if (typeof unfit === 'string') {
      console.log(`      skipped: ${unfit}`);
      context.skip();
    }
    const file = unfit.file();
    await agent.start({ wrapper: unfit.holding(call, name, file) });
    return file;
  }

  it('is completed by the next start, and its host gets its RESULT', async () => {
    const connection = await agent.connect();
    await connection.receive({ id: 'first', volume: 'v' }, await tarOf({ kept: 'kept' }));
    await leave('up', 'v', { new: 'data' }, resultOfUpload);
    await agent.killAndRestart();
    const next = await agent.connect();
    expect(await next.call({ ...upload, id: 'up', attempt: 2, resume: true })).to.deep.equal(resultOfUpload);
    expect((await readdir(at('volumes/v/data'))).sort()).to.deep.equal(['kept', 'new']);
    expect(await markers()).to.deep.equal([]);
    await next.bye();
  });

  it('makes the volume damaged if its staged content no longer exists, and returns no RESULT', async () => {
    const connection = await agent.connect();
    await connection.receive({ id: 'first', volume: 'v' }, await tarOf({ kept: 'kept' }));
    await leave('up', 'v', {}, resultOfUpload);
    for (let start = 0; start < 2; start += 1) {
      await agent.killAndRestart();
      const next = await agent.connect();
      expect(await codeOf('v', next)).to.equal('VOLUME_DAMAGED');
      const resumed = next.call({ ...upload, id: 'up', attempt: 2, resume: true });
      expect((await failureOf(resumed)).code).to.equal('VOLUME_DAMAGED');
      await next.bye();
    }
  });

  it('keeps the volume damaged although another commit of it is completed', async () => {
    for (const broken of ['a', 'b', 'c']) {
      await mkdir(at('volumes', broken, 'data'), { recursive: true });
      await leaveConflict(`${broken}-2`, broken);
      for (const whole of [1, 3]) await leave(`${broken}-${whole}`, broken, { [`file${whole}`]: 'x' });
    }
    await agent.killAndRestart();
    for (const broken of ['a', 'b', 'c']) expect(await codeOf(broken)).to.equal('VOLUME_DAMAGED');
    expect((await markers()).sort()).to.deep.equal(['a-2', 'b-2', 'c-2']);
  });

  it('keeps the volume damaged on a full disk', async function () {
    const small = await LimitedFolder.mount('size=4m,mode=0755');
    if (small === undefined) {
      console.log('      skipped: no file system can be mounted here');
      this.skip();
    }
    await using disk = small;
    await using own = await AgentProcess.start({ folder: disk.folder });
    const connection = await own.connect();
    await connection.receive({ id: 'first', volume: 'v' }, await tarOf({ 'name/below': 'x' }));
    await mkdir(join(own.folder, 'volumes/v/staging/up'), { recursive: true });
    await writeFile(join(own.folder, 'volumes/v/staging/up/name'), 'a file');
    await writeFile(join(own.folder, 'agent/operations/up'), JSON.stringify({ volume: 'v', path: '' }));
    await disk.run('dd if=/dev/zero of="$0"/fill bs=1k 2>/dev/null; [ -e "$0"/fill ]');
    await own.killAndRestart();
    const next = await own.connect();
    expect(await codeOf('v', next)).to.equal('VOLUME_DAMAGED');
    await next.bye();
  });

  it('keeps the volume damaged if it cannot be opened at the start', async function () {
    if (process.getuid?.() === 0) {
      // Root opens everything but a link.
      await leave('up', 'v', { file: 'x' });
      await rm(at('volumes/v/data'), { recursive: true, force: true });
      await writeFile(at('volumes/v/data'), 'no folder');
    } else {
      await leave('up', 'v', { file: 'x' });
      await mkdir(at('volumes/v/data'), { mode: 0 });
    }
    await agent.killAndRestart();
    await (await agent.connect()).bye();
    await rm(at('volumes/v/data'), { recursive: true });
    await mkdir(at('volumes/v/data'));
    expect(await codeOf('v')).to.equal('VOLUME_DAMAGED');
    expect(await readdir(at('volumes/v/staging'))).to.deep.equal(['up']);
    await agent.killAndRestart();
    const connection = await agent.connect();
    await connection.send({ id: 'look', volume: 'v' });
    expect(await readFile(at('volumes/v/data/file'), 'utf8')).to.equal('x');
    await connection.bye();
  });

  it('is never completed once the volume is removed', async () => {
    await leaveConflict('up', 'v');
    await agent.killAndRestart();
    const connection = await agent.connect();
    expect(await codeOf('v', connection)).to.equal('VOLUME_DAMAGED');
    expect(await connection.call({ op: 'remove', volume: 'v' })).to.deep.equal({});
    expect(await markers()).to.deep.equal([]);
    expect(await readdir(at('volumes/v/staging'))).to.deep.equal([]);
    await connection.receive({ id: 'newer', volume: 'v' }, await tarOf({ name: 'newer', other: 'newer' }));
    await agent.killAndRestart();
    const next = await agent.connect();
    await next.send({ id: 'look', volume: 'v' });
    for (const name of ['name', 'other']) expect(await readFile(at('volumes/v/data', name), 'utf8')).to.equal('newer');
    await next.bye();
  });

  it('is not completed after an interrupted removal of the volume either', async function () {
    const file = await startHeld(this, 'unlinkat', 'held');
    await (await agent.connect()).bye();
    await mkdir(at('volumes/v/data'), { recursive: true });
    await writeFile(at('volumes/v/data/held'), 'x');
    await leave('up', 'v', { new: 'data' }, resultOfUpload);
    const connection = await agent.connect();
    connection.open({ op: 'remove', volume: 'v' });
    await until('the removal is held', () => exists(`${file}.held`));
    for (const session of await agentSessions(agent.process)) process.kill(session, 'SIGKILL');
    await agent.killAndRestart();
    await writeFile(file, '');
    const next = await agent.connect();
    expect(await codeOf('v', next)).to.equal('VOLUME_DAMAGED');
    const resumed = next.call({ ...upload, id: 'up', attempt: 2, resume: true });
    expect((await failureOf(resumed)).code).to.equal('VOLUME_DAMAGED');
    expect(await next.call({ op: 'remove', volume: 'v' })).to.deep.equal({});
    await next.receive({ id: 'newer', volume: 'v' }, await tarOf({ new: 'newer' }));
    expect(await readdir(at('volumes/v/data'))).to.deep.equal(['new']);
    await next.bye();
  });

  it('is kept when its operation id is reused for another volume', async () => {
    await leaveConflict('up', 'v');
    await agent.killAndRestart();
    const connection = await agent.connect();
    const again = connection.receive({ id: 'up', volume: 'w' }, await tarOf({ a: 'a' }));
    expect((await failureOf(again)).code).to.equal('VOLUME_DAMAGED');
    expect(await codeOf('v', connection)).to.equal('VOLUME_DAMAGED');
    await connection.receive({ id: 'other', volume: 'w' }, await tarOf({ a: 'a' }));
    await connection.bye();
  });

  it('prevents the commit of an upload that began before', async () => {
    const connection = await agent.connect();
    connection.open({ ...upload, id: 'later', attempt: 1 });
    await connection.opened();
    const window = decodeWindow(await connection.expect(frameType.window));
    await leave('up', 'v', { new: 'older' });
    new Feeder(connection, await tarOf({ new: 'newer' })).grant(window);
    expect((await connection.expectJson(frameType.error))['code']).to.equal('VOLUME_DAMAGED');
    connection.done();
    expect(await readdir(at('volumes/v/data'))).to.deep.equal([]);
    expect(await readdir(at('volumes/v/staging'))).to.deep.equal(['up']);
    await connection.bye();
  });

  it('makes the volume damaged when only its session is killed, until the next start completes it', async function () {
    const file = await startHeld(this, 'renameat', 'held');
    const connection = await begin('up', { a: 'a', held: 'held', z: 'z' });
    await until('the commit is held', () => exists(`${file}.held`));
    const other = await agent.connect();
    await other.send({ id: 'look', volume: 'v' }); // a running commit is no damage
    const [session] = await agentSessions(agent.process);
    if (session === undefined) throw new Error('no session');
    process.kill(session, 'SIGKILL');
    await connection.ended;
    const damaged = async (): Promise<boolean> =>
      other.send({ id: 'look', volume: 'v' }).then(
        () => false,
        (error: unknown) => error instanceof AgentFailure && error.code === 'VOLUME_DAMAGED',
      );
    await until('the volume is damaged', damaged);
    await writeFile(file, '');
    await agent.killAndRestart();
    const next = await agent.connect();
    const result = await next.call({ ...upload, id: 'up', attempt: 2, resume: true });
    expect(result).to.include({ entries: 3, expandedBytes: 6 });
    expect((await readdir(at('volumes/v/data'))).sort()).to.deep.equal(['a', 'held', 'z']);
    await next.bye();
  });

  it('is completed at the longest path, in any spelling in the marker', async function () {
    const file = await startHeld(this, 'renameat', 'held');
    const path = Array.from({ length: 16 }, () => '\u0001'.repeat(255))
      .join('/')
      .slice(0, 4000);
    const connection = await begin('up', { held: 'held' }, { path });
    await until('the commit is held', () => exists(`${file}.held`));
    for (const session of await agentSessions(agent.process)) process.kill(session, 'SIGKILL');
    await agent.killAndRestart();
    await writeFile(file, '');
    const next = await agent.connect();
    expect(await next.call({ ...upload, id: 'up', path, attempt: 2, resume: true })).to.include({ entries: 1 });
    expect(await readFile(at('volumes/v/data', path, 'held'), 'utf8')).to.equal('held');
    await connection.ended;
    await next.bye();
  });

  it('damages only the volume with its staged content if its marker cannot be read', async () => {
    for (const volume of ['v', 'w']) await mkdir(at('volumes', volume, 'data'), { recursive: true });
    await leave('up', 'v', { file: 'x' });
    await writeFile(at('agent/operations/up'), 'garbage');
    await agent.killAndRestart();
    const connection = await agent.connect();
    expect(await codeOf('v', connection)).to.equal('VOLUME_DAMAGED');
    await connection.send({ id: 'look', volume: 'w' });
    await connection.call({ op: 'remove', volume: 'v' });
    await connection.send({ id: 'look', volume: 'v' });
    expect(await markers()).to.deep.equal([]);
    await connection.bye();
  });

  // Each call has a fallback in the agent, in its C library or in its use.
  const hidden = ['faccessat2', 'openat2', 'fchmodat2', 'close_range', 'statx', 'renameat2', 'copy_file_range'];
  const others = ['memfd_create', 'syncfs', 'fallocate', 'pidfd_open', 'clone3'];
  for (const error of ['ENOSYS', 'EPERM'] as const) {
    for (const calls of [['faccessat2'], ['openat2'], [...hidden, ...others]]) {
      const title = calls.length === 1 ? String(calls[0]) : 'no newer call';
      it(`is found, and everything else works, if ${title} fails with ${error}`, async function () {
        if (typeof syscalls === 'string') {
          console.log(`      skipped: ${syscalls}`);
          this.skip();
        }
        await using own = await AgentProcess.start({ wrapper: syscalls.failing(calls, error) });
        const first = await own.connect();
        await first.receive({ id: 'first', volume: 'v' }, await tarOf({ 'name/below': 'x' }));
        await first.receive({ id: 'good', volume: 'w' }, await tarOf({ 'folder/file': randomBytes(100_000) }));
        await mkdir(join(own.folder, 'volumes/v/staging/up'), { recursive: true });
        await writeFile(join(own.folder, 'volumes/v/staging/up/name'), 'a file');
        const marker = { volume: 'v', path: '', ...resultOfUpload };
        await writeFile(join(own.folder, 'agent/operations/up'), JSON.stringify(marker));
        for (let start = 0; start < 2; start += 1) {
          await own.killAndRestart();
          const next = await own.connect();
          expect(await codeOf('v', next)).to.equal('VOLUME_DAMAGED');
          expect(await readdir(join(own.folder, 'volumes/v/staging'))).to.deep.equal(['up']);
          const resumed = next.call({ ...upload, id: 'up', attempt: 2, resume: true });
          expect((await failureOf(resumed)).code).to.equal('VOLUME_DAMAGED');
          await next.bye();
        }
        const next = await own.connect();
        expect(await next.call({ op: 'copy', id: 'copy', from: 'w', to: 'x' })).to.include({ expandedBytes: 100_000 });
        await next.receive({ id: 'merge', volume: 'x' }, await tarOf({ 'folder/more': 'more' }));
        const names = await readdir(join(own.folder, 'volumes/x/data/folder'));
        expect(names.sort()).to.deep.equal(['file', 'more']);
        await next.start('echo', ['sh', '-c', 'echo out; set -- /proc/$$/fd/*; [ $# -le 4 ] && echo closed'], {
          dir: join(own.folder, 'made'),
        });
        const { stdout, result } = await next.attach('echo');
        expect(result).to.include({ exitStatus: 0 });
        expect(stdout.toString()).to.equal('out\nclosed\n');
        await next.call({ op: 'remove', volume: 'v' });
        expect(await readdir(join(own.folder, 'volumes/v/data'))).to.deep.equal([]);
        await next.bye();
      });
    }
  }
});
