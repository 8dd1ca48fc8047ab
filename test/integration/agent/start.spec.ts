import { execFileSync } from 'node:child_process';
import { chmod, chown, mkdtemp, readFile, readlink, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect } from 'chai';

import { failureOf } from '../../support/agent/agent-connection.ts';
import { withAgent } from '../../support/agent/agent-fixture.ts';
import { AgentProcess } from '../../support/agent/agent-process.ts';

const isRoot = process.getuid?.() === 0;

describe('starting a process', () => {
  let folder: string;
  let count = 0;

  const run = async (
    args: readonly unknown[],
    more = {},
  ): Promise<{ stdout: string; stderr: string; exitStatus: unknown; signal: unknown }> => {
    const { stdout, stderr, result } = await agent.connection.run(`run-${count++}`, args, more);
    return {
      stdout: stdout.toString(),
      stderr: stderr.toString(),
      exitStatus: result['exitStatus'],
      signal: result['signal'],
    };
  };

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'kw-agent-files-'));
    await chmod(folder, 0o777);
  });

  const agent = withAgent({
    options: () => ({
      env: {
        ...process.env,
        KW_PATH_MAP: `/mapped\t${folder}\n/mapped/deep\t${folder}/other`,
        FROM_CONTAINER: 'yes',
        OVERRIDDEN: 'old',
      },
    }),
  });

  after(() => rm(folder, { recursive: true }));

  it('gives both outputs and the exit status', async () => {
    expect(await run(['sh', '-c', 'echo out; echo err >&2; exit 7'])).to.deep.equal({
      stdout: 'out\n',
      stderr: 'err\n',
      exitStatus: 7,
      signal: null,
    });
  });

  it('gives the signal that ended it', async () => {
    expect(await run(['sh', '-c', 'kill -KILL $$'])).to.include({ exitStatus: 137, signal: 9 });
  });

  it('passes arguments unchanged, also if they are not UTF-8', async () => {
    const { stdout } = await agent.connection.run('bytes', [
      'printf',
      '%s|',
      'a b',
      '',
      '"\\',
      'ü',
      { b64: Buffer.from([0xff, 0xfe, 0x41]).toString('base64') },
    ]);
    expect(stdout.toString('latin1')).to.equal(
      Buffer.concat([Buffer.from('a b||"\\|ü|'), Buffer.from([0xff, 0xfe, 0x41]), Buffer.from('|')]).toString('latin1'),
    );
  });

  it('rejects a text with a NUL, an entry of env without a name, and a relative directory', async () => {
    for (const more of [
      { args: ['echo', 'a\0b'] },
      { args: ['true'], env: ['NOVALUE'] },
      { args: ['true'], dir: 'relative' },
      { args: 'true' },
    ])
      expect((await failureOf(agent.connection.call({ op: 'start', process: 'invalid', ...more }))).code).to.equal(
        'INVALID_SPEC',
      );
  });

  it('reports env if an entry or the total is too long for the kernel', async () => {
    const entries = Array.from({ length: 40 }, (_, index) => `V${index}=${'x'.repeat(100_000)}`);
    for (const env of [[`LONG=${'x'.repeat(131_072)}`], entries]) {
      const error = await failureOf(agent.connection.start('too-long', ['true'], { env }));
      expect(error.facts).to.include({ code: 'INVALID_SPEC', path: 'env', errnoName: 'E2BIG' });
    }
  });

  it("has the container's environment, overridden by its own, without the agent's variables", async () => {
    const { stdout } = await run(['env'], {
      env: ['OVERRIDDEN=new', 'EMPTY=', 'TWICE=1', 'TWICE=2', `A_PATH=/mapped/x:/usr/mapped:/mappedx`],
    });
    const lines = stdout.split('\n');
    expect(lines).to.include.members(['FROM_CONTAINER=yes', 'OVERRIDDEN=new', 'EMPTY=', 'TWICE=2']);
    expect(stdout).to.not.contain('KW_PATH_MAP');
    expect(stdout).to.not.contain('OVERRIDDEN=old');
    expect(lines).to.include(`A_PATH=${folder}/x:/usr/mapped:/mappedx`);
  });

  it('maps paths for an embedded cluster without a mount namespace', async () => {
    const { stdout } = await run(
      ['sh', '-c', 'pwd; echo "$@"', 'sh', '/mapped', '--file=/mapped/a', '/mapped/deep/b', 'x/mapped'],
      {
        dir: '/mapped/work',
      },
    );
    expect(stdout).to.equal(`${folder}/work\n${folder} --file=${folder}/a ${folder}/other/b x/mapped\n`);
  });

  it('looks up the executable in the PATH of the command', async () => {
    await writeFile(join(folder, 'tool'), '#!/bin/sh\necho found\n', { mode: 0o755 });
    expect((await run(['tool'], { env: [`PATH=/nowhere:${folder}`] })).stdout).to.equal('found\n');
    expect((await failureOf(agent.connection.start('not-in-path', ['tool']))).code).to.equal('EXECUTABLE_NOT_FOUND');
  });

  it('reports distinct codes if a command cannot be executed, and leaves no files', async () => {
    await writeFile(join(folder, 'no-interpreter'), '#!/no/such/interpreter\n', { mode: 0o755 });
    await writeFile(join(folder, 'not-executable'), '#!/bin/sh\n', { mode: 0o644 });
    await writeFile(join(folder, 'garbage'), 'garbage', { mode: 0o755 });
    const failure = async (...args: string[]): Promise<unknown> =>
      (await failureOf(agent.connection.start('cannot', args))).code;
    expect(await failure('no-such-program')).to.equal('EXECUTABLE_NOT_FOUND');
    expect(await failure('/no/such/program')).to.equal('EXECUTABLE_NOT_FOUND');
    expect(await failure('/etc/passwd/program')).to.equal('EXECUTABLE_NOT_FOUND');
    expect(await failure(join(folder, 'no-interpreter'))).to.equal('WRONG_FORMAT');
    expect(await failure(join(folder, 'garbage'))).to.equal('WRONG_FORMAT');
    expect(await failure(join(folder, 'not-executable'))).to.equal('NOT_PERMITTED');
    expect(await failure(folder)).to.equal('NOT_PERMITTED');
    expect((await failureOf(agent.connection.start('cannot', ['true'], { dir: '/etc/passwd/below' }))).code).to.equal(
      'BAD_DIRECTORY',
    );
    expect((await failureOf(agent.connection.start('cannot', ['true'], { user: 'no-such-user' }))).code).to.equal(
      'USER_NOT_FOUND',
    );
    expect((await failureOf(agent.connection.start('cannot', ['true'], { user: '0:no-such-group' }))).code).to.equal(
      'USER_NOT_FOUND',
    );
    expect((await failureOf(agent.connection.attach('cannot'))).code).to.equal('PROCESS_NOT_FOUND');
    // The id can be used again.
    expect((await agent.connection.run('cannot', ['echo', 'can'])).stdout.toString()).to.equal('can\n');
  });

  it('reports errno and path of a failure', async () => {
    expect((await failureOf(agent.connection.start('why', ['/no/such/program']))).facts).to.include({
      errno: 2,
      errnoName: 'ENOENT',
      path: '/no/such/program',
    });
  });

  it('creates a missing directory', async () => {
    expect((await run(['pwd'], { dir: join(folder, 'made/below') })).stdout).to.equal(
      `${join(folder, 'made/below')}\n`,
    );
  });

  it('starts an id once for any number of concurrent connections', async () => {
    const connections = await Promise.all(Array.from({ length: 10 }, () => agent.connect()));
    const marks = join(folder, 'marks');
    const answers = await Promise.all(
      connections.map((other) => other.start('race', ['sh', '-c', `echo started >>${marks}`])),
    );
    expect(answers.filter((answer) => answer['started'] === true)).to.have.length(1);
    await agent.connection.attach('race');
    expect(await readFile(marks, 'utf8')).to.equal('started\n');
    expect(await agent.connection.start('race', ['anything'])).to.deep.equal({ started: false, process: 'race' });
    await Promise.all(connections.map((other) => other.bye()));
  });

  it('keeps the digest of the specification, and returns it for a started id and with the result', async () => {
    const specDigest = '0123456789abcdef'.repeat(4);
    expect(await agent.connection.start('digest', ['true'], { specDigest })).to.deep.equal({
      started: true,
      process: 'digest',
    });
    for (const more of [{ specDigest: 'f'.repeat(64) }, {}])
      expect(await agent.connection.start('digest', ['false'], more)).to.deep.equal({
        started: false,
        process: 'digest',
        specDigest,
      });
    expect((await agent.connection.attach('digest')).result).to.include({ exitStatus: 0, specDigest });
    expect(await agent.connection.call({ op: 'stop', process: 'digest', graceMs: 0 })).to.include({ specDigest });
  });

  it('refuses a digest that is not 64 hexadecimal digits', async () => {
    for (const specDigest of ['a'.repeat(63), 'a'.repeat(65), `${'a'.repeat(63)}A`, `${'a'.repeat(63)}g`, 7]) {
      const failure = await failureOf(agent.connection.start('bad-digest', ['true'], { specDigest }));
      expect(failure.code, String(specDigest)).to.equal('INVALID_SPEC');
    }
    expect(await agent.connection.start('bad-digest', ['true'])).to.include({ started: true });
  });

  it('continues with the next attempt if the first one of a race fails', async () => {
    const connections = await Promise.all(Array.from({ length: 6 }, () => agent.connect()));
    const answers = await Promise.allSettled(
      connections.map((other, index) => other.start('race-fails', [index === 5 ? 'true' : '/no/such'])),
    );
    const started = answers.filter((answer) => answer.status === 'fulfilled' && answer.value['started'] === true);
    expect(started).to.have.length(1);
    await Promise.all(connections.map((other) => other.bye()));
  });

  it('starts with default signals and umask, in its own session, and without the core limit of the agent', async () => {
    const script = `grep -E '^Sig(Blk|Ign|Cgt):' /proc/self/status; umask; [ $(ps -o sid= -p $$) = $$ ] && echo leader; ulimit -c`;
    const ours = await run(['sh', '-c', script]);
    const [blocked, ignored, , mask, leader, core] = ours.stdout.split('\n');
    expect(blocked).to.match(/\t0+$/);
    expect(ignored).to.match(/\t0+$/);
    expect(mask).to.match(/^0*22$/);
    expect(leader).to.equal('leader');
    expect(core).to.equal(execFileSync('sh', ['-c', 'ulimit -c'], { encoding: 'utf8' }).trim());
  });

  it('does not pass on descriptors that the agent inherits', async () => {
    await using inheriting = await AgentProcess.start({ wrapper: ['sh', '-c', 'exec "$@" 9</dev/null', 'sh'] });
    const connection = await inheriting.connect();
    expect(await readlink(`/proc/${inheriting.pid}/fd/9`)).to.equal('/dev/null');
    const { stdout } = await connection.run('descriptors', ['ls', '/proc/self/fd']);
    // 3 is the folder that ls reads.
    expect(stdout.toString()).to.equal('0\n1\n2\n3\n');
  });

  it('raises the OOM score of a command above that of the agent', async () => {
    const own = Number(await readFile(`/proc/${agent.pid}/oom_score_adj`, 'utf8'));
    const { stdout } = await run(['cat', '/proc/self/oom_score_adj']);
    expect(Number(stdout)).to.equal(Math.min(1000, own + 10));
  });

  it('can write to /dev/stdout and /dev/stderr', async () => {
    expect(await run(['sh', '-c', 'echo one; echo two > /dev/stdout; echo three > /dev/stderr'])).to.include({
      stdout: 'one\ntwo\n',
      stderr: 'three\n',
    });
  });

  it('writes no secret of the spec to disk', async () => {
    await run(['sh', '-c', 'true', 'secret-argument'], { env: ['TOKEN=secret-value'] });
    const grep = await run(['grep', '-rlE', 'secret-(argument|value)', join(agent.folder, 'agent')]);
    expect(grep.exitStatus).to.equal(1);
  });

  it('reads nothing without stdin', async () => {
    expect(await run(['cat'])).to.include({ stdout: '', exitStatus: 0 });
  });

  (isRoot ? describe : describe.skip)('as another user', () => {
    it('resolves names, numbers, groups and HOME from the container', async () => {
      expect((await run(['sh', '-c', 'id -u; id -g; echo $HOME'], { user: 'nobody' })).stdout).to.equal(
        '65534\n65534\n/nonexistent\n',
      );
      expect((await run(['sh', '-c', 'id -u; id -g; id -G; echo $HOME'], { user: '12345:54321' })).stdout).to.equal(
        '12345\n54321\n54321\n/\n',
      );
      expect((await run(['id', '-g'], { user: 'nobody:daemon' })).stdout).to.equal('1\n');
      expect((await run(['sh', '-c', 'echo $HOME'], { user: 'nobody', env: ['HOME=/own'] })).stdout).to.equal('/own\n');
    });

    it('keeps the group of a container that already runs as this user', async () => {
      const other = await mkdtemp(join(tmpdir(), 'kw-agent-own-'));
      await chown(other, 65_534, 5678);
      const wrapper = ['setpriv', '--reuid=65534', '--regid=5678', '--clear-groups'];
      await using own = await AgentProcess.start({ folder: other, wrapper, connectWrapper: wrapper });
      const inside = await own.connect();
      for (const user of ['65534', 'nobody', '65534:5678'])
        expect(
          (await inside.run(`as-${user.replace(':', '-')}`, ['sh', '-c', 'id -u; id -g'], { user })).stdout.toString(),
          user,
        ).to.equal('65534\n5678\n');
      expect((await failureOf(inside.start('group', ['true'], { user: '65534:65534' }))).code).to.equal(
        'NOT_PERMITTED',
      );
      await rm(other, { recursive: true });
    });

    it('owns its streams and the directory created for it', async () => {
      const dir = join(folder, 'of-nobody/below');
      const { stdout } = await run(['sh', '-c', 'echo x > /dev/stdout; echo y > /dev/stderr; touch file'], {
        user: 'nobody',
        dir,
      });
      expect(stdout).to.equal('x\n');
      expect((await stat(join(folder, 'of-nobody'))).uid).to.equal(65534);
      expect((await stat(join(dir, 'file'))).uid).to.equal(65534);
    });

    it('owns its terminal', async () => {
      expect(
        (await run(['sh', '-c', 'echo x > "$(tty)"'], { user: 'nobody', tty: { columns: 80, rows: 24 } })).stdout,
      ).to.equal('x\r\n');
    });

    it('cannot inspect the agent', async () => {
      const { stdout } = await run(
        ['sh', '-c', `ls ${agent.folder}/agent || echo denied; cat /proc/${agent.pid}/environ || echo denied`],
        {
          user: 'nobody',
        },
      );
      expect(stdout).to.equal('denied\ndenied\n');
    });
  });
});
