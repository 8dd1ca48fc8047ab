/** Another user of the pod cannot affect the agent. Each case needs root, to act as both users. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, lchown, mkdir, mkdtemp, readdir, rm, stat, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect } from 'chai';

import { failureOf } from '../../support/agent/agent-connection.ts';
import { withAgent } from '../../support/agent/agent-fixture.ts';
import { AgentProcess, agentBinary, exists, until } from '../../support/agent/agent-process.ts';
import { tarOf } from '../../support/tar.ts';

const other = 12_345;
const user = 23_456;

describe('another user of the pod', () => {
  let folder: string;

  before(function () {
    if (process.getuid?.() === 0) return;
    console.log('      skipped: only root can act as two users');
    this.skip();
  });

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'kw-others-'));
    await chmod(folder, 0o777);
  });

  afterEach(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  const modeOf = async (...parts: string[]): Promise<number> => (await stat(join(folder, ...parts))).mode & 0o7777;

  context('of an agent that runs as root', () => {
    it('cannot write into the folders of its state, independent of their creator', async () => {
      for (const path of ['volumes', 'volumes/v', 'volumes/v/data']) {
        await mkdir(join(folder, path));
        await chmod(join(folder, path), 0o777);
      }
      await using agent = await AgentProcess.start({ folder });
      const connection = await agent.connect();
      await connection.receive({ id: 'up', volume: 'v' }, await tarOf({ file: 'x' }));
      for (const path of ['', 'volumes', 'volumes/v']) expect(await modeOf(path), path).to.equal(0o755);
      expect(await modeOf('agent')).to.equal(0o700);
      // Mounted folders remain writable for their user.
      expect(await modeOf('volumes/v/data')).to.equal(0o777);
      await connection.bye();
    });

    it('cannot create the staging folder of uploads', async () => {
      await mkdir(join(folder, 'volumes/v/data'), { recursive: true });
      await mkdir(join(folder, 'volumes/v/staging'));
      await chown(join(folder, 'volumes/v/staging'), other, other);
      await using agent = await AgentProcess.start({ folder });
      const connection = await agent.connect();
      const failure = await failureOf(connection.receive({ id: 'up', volume: 'v' }, await tarOf({ file: 'x' })));
      expect(failure.code).to.equal('NOT_PERMITTED');
      expect(await readdir(join(folder, 'volumes/v/data'))).to.deep.equal([]);
      await connection.bye();
    });
  });

  context('that listens instead of the agent', () => {
    let impostor: ChildProcess;

    async function impersonate(uid: number): Promise<void> {
      const path = join(folder, 'agent/socket');
      const code = [
        'import os, socket, sys',
        `os.setgid(${uid}); os.setuid(${uid})`,
        's = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); os.chmod(sys.argv[1], 0o777); s.listen()',
        'c, _ = s.accept(); c.sendall(b"forged"); c.recv(1)',
      ].join('\n');
      impostor = spawn('python3', ['-c', code, path], { stdio: 'ignore' });
      await until('the impostor listens', () => exists(path));
    }

    afterEach(async () => {
      impostor.kill();
      if (impostor.exitCode === null && impostor.signalCode === null) await once(impostor, 'exit');
    });

    for (const [whose, owner] of [
      ['its own folder', other],
      ['a folder of the agent', 0],
    ] as const) {
      it(`gets no connection in ${whose}`, async () => {
        await mkdir(join(folder, 'agent'));
        await chown(join(folder, 'agent'), owner, owner);
        await chmod(join(folder, 'agent'), 0o777);
        await impersonate(other);
        const result = await new Promise<{ code: unknown; stdout: string; stderr: string }>((resolve) => {
          const child = execFile(agentBinary(), ['connect', folder], (error, stdout, stderr) => {
            resolve({ code: error?.code, stdout, stderr });
          });
          child.stdin?.end();
        });
        expect(result).to.include({ code: 1, stdout: '' });
        expect(result.stderr).to.contain('another user');
      });
    }
  });

  context('with a link in the path of a working directory', () => {
    const agent = withAgent({ per: 'test', connects: false, mayReport: true });
    let place: string;

    beforeEach(async () => {
      place = join(folder, 'place');
      await mkdir(place);
      await mkdir(join(folder, 'target'));
    });

    async function link(owner: number, name = 'link', target = join(folder, 'target')): Promise<string> {
      await symlink(target, join(place, name));
      await lchown(join(place, name), owner, owner);
      return join(place, name);
    }

    async function run(dir: string, more: Record<string, unknown> = {}): Promise<string> {
      const connection = await agent.connect();
      await connection.start('pwd', ['pwd'], { dir, ...more });
      const { stdout } = await connection.attach('pwd');
      await connection.bye();
      return stdout.toString().trim();
    }

    it('gets nothing created behind it', async () => {
      await chown(place, other, other);
      const dir = join(await link(other), 'made/below');
      for (const more of [{}, { user: `${user}:${user}` }]) {
        expect((await failureOf(run(dir, more))).facts).to.include({ code: 'BAD_DIRECTORY', path: dir });
      }
      expect(await readdir(join(folder, 'target'))).to.deep.equal([]);
    });

    it('is not followed in a folder that others can write to', async () => {
      await chmod(place, 0o777);
      const dir = await link(other);
      expect((await failureOf(run(dir))).facts).to.include({ code: 'BAD_DIRECTORY', errnoName: 'EPERM' });
    });

    it('is followed to an existing directory in a tree of that user', async () => {
      await chown(place, other, other);
      expect(await run(await link(other))).to.equal(join(folder, 'target'));
    });

    it("is followed if root created it, and directories created behind it belong to the command's user", async () => {
      await link(0, 'absolute');
      const dir = join(await link(0, 'relative', 'absolute/../target'), 'made');
      expect(await run(dir, { user: `${user}:${user}` })).to.equal(join(folder, 'target/made'));
      expect((await stat(join(folder, 'target/made'))).uid).to.equal(user);
    });

    it("is followed with the rights of the command's user if that user created it", async () => {
      await chown(place, user, user);
      const dir = join(await link(user), 'made');
      const as = { user: `${user}:${user}` };
      expect((await failureOf(run(dir, as))).facts).to.include({ code: 'BAD_DIRECTORY', errnoName: 'EACCES' });
      await chown(join(folder, 'target'), user, user);
      expect(await run(dir, as)).to.equal(join(folder, 'target/made'));
      expect((await stat(join(folder, 'target/made'))).uid).to.equal(user);
    });

    it('is an error if it is circular', async () => {
      await link(0, 'a', 'b');
      const dir = join(await link(0, 'b', 'a'), 'below');
      expect((await failureOf(run(dir))).facts).to.include({ code: 'BAD_DIRECTORY', errnoName: 'ELOOP' });
    });
  });
});
