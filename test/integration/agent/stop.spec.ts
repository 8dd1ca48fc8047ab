import { spawnSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

import { expect } from 'chai';

import { AgentFailure, type AttachResult, failureOf, type Json } from '../../support/agent/agent-connection.ts';
import { withAgent } from '../../support/agent/agent-fixture.ts';
import { decodeData, encodeJson, frameType } from '../../support/agent/agent-frames.ts';
import { AgentProcess, exists, until } from '../../support/agent/agent-process.ts';

/** Returns whether a process is running; a zombie is not. */
async function lives(pid: number): Promise<boolean> {
  return readFile(`/proc/${pid}/stat`, 'utf8').then(
    (text) => !/\) Z /.test(text),
    () => false,
  );
}

describe('stopping processes', () => {
  const agent = withAgent({ per: 'test' });

  /** Starts a script that prints `ready` and then process ids, and returns the ids. */
  const startReady = async (id: string, script: string, pids: number): Promise<number[]> => {
    const other = await agent.connect();
    await other.start(id, ['sh', '-c', script]);
    other.open({ op: 'attach', process: id });
    await other.expect(frameType.opened);
    other.window(1, 0, 10_000);
    let text = '';
    while (text.split('\n').length <= pids) text += decodeData(await other.expect(frameType.data)).raw.toString();
    other.destroy();
    return text.trim().split('\n').map(Number);
  };

  it('lets a command exit within the grace period', async () => {
    await startReady('polite', 'trap "echo bye; exit 3" TERM; echo $$; while :; do sleep 0.02; done', 1);
    const result = await agent.connection.call({ op: 'stop', process: 'polite', graceMs: 600_000 });
    expect(result).to.include({ exitStatus: 3, signal: null });
    expect((await agent.connection.attach('polite')).stdout.toString()).to.contain('bye');
  });

  it('kills the group after the grace period', async () => {
    const [leader = 0, child = 0] = await startReady(
      'deaf',
      'trap "" TERM; echo $$; (sleep 60 & echo $!; wait) ; sleep 60',
      2,
    );
    const before = Date.now();
    expect(await agent.connection.call({ op: 'stop', process: 'deaf', graceMs: 200 })).to.include({
      exitStatus: 137,
      signal: 9,
    });
    // Without a kill, the command would exit with 0 after two minutes.
    expect(Date.now() - before).to.be.at.least(190);
    expect([await lives(leader), await lives(child)]).to.deep.equal([false, false]);
  });

  it('kills descendants in other sessions once the group has ended', async () => {
    const script = 'echo $$; setsid sh -c \'trap "" TERM; (setsid sleep 60 & echo $!; wait) & echo $$; wait\' & wait';
    const pids = await startReady('escape', script, 3);
    // The test ends long before the period of grace.
    expect(await agent.connection.call({ op: 'stop', process: 'escape', graceMs: 600_000 })).to.include({
      exitStatus: 143,
      signal: 15,
    });
    for (const pid of pids) expect(await lives(pid), String(pid)).to.equal(false);
  });

  it('gives the group its grace period if the leader exits at once', async () => {
    const script = '(trap "sleep 0.3; echo cleaned; exit" TERM; echo $$; while :; do sleep 0.02; done) & wait';
    await startReady('members', script, 1);
    await agent.connection.call({ op: 'stop', process: 'members', graceMs: 600_000 });
    expect((await agent.connection.attach('members')).stdout.toString()).to.contain('cleaned');
  });

  it('acknowledges a stop at once to a host of protocol 3, and sends the result once the command has ended', async () => {
    const go = `${agent.folder}/go`;
    const wait = `until [ -e ${go} ]; do sleep 0.02; done`;
    await startReady('slow', `trap "${wait}; exit 4" TERM; echo $$; while :; do sleep 0.02; done`, 1);
    agent.connection.open({ op: 'stop', process: 'slow', graceMs: 600_000 });
    expect(await agent.connection.opened()).to.deep.equal({});
    const states = async (): Promise<unknown[]> =>
      ((await (await agent.connect()).call({ op: 'status' }))['processes'] as Json[]).map(({ state }) => state);
    expect(await states()).to.deep.equal(['running']);
    await writeFile(go, '');
    expect(await agent.connection.expectJson(frameType.result)).to.include({ exitStatus: 4 });
    agent.connection.done();
    const old = await agent.connect([1, 2]);
    old.open({ op: 'stop', process: 'slow', graceMs: 0 });
    expect(await old.expectJson(frameType.result)).to.include({ exitStatus: 4 });
    old.destroy();
  });

  it('stops by an attachment, which ends with the result', async () => {
    await agent.connection.start('attached', ['sleep', '60']);
    agent.connection.open({ op: 'attach', process: 'attached' });
    await agent.connection.expect(frameType.opened);
    agent.connection.write(encodeJson(frameType.stop, { graceMs: 600_000 }));
    let frame = await agent.connection.next();
    while (frame?.type === frameType.end) frame = await agent.connection.next();
    expect(JSON.parse(String(frame?.payload))).to.include({ exitStatus: 143, signal: 15 });
    agent.connection.done();
  });

  it('returns the stored result of an ended process at once, and ends its descendants', async () => {
    const { stdout } = await agent.connection.run('left', [
      'sh',
      '-c',
      'setsid sleep 60 >/dev/null 2>&1 & echo $!; exit 5',
    ]);
    const pid = Number(stdout.toString());
    expect(await lives(pid)).to.equal(true);
    expect(await agent.connection.call({ op: 'stop', process: 'left', graceMs: 0 })).to.include({ exitStatus: 5 });
    await until('what was left behind ends', async () => !(await lives(pid)));
  });

  it('rejects an unknown process', async () => {
    for (const open of [
      { op: 'stop', graceMs: 0 },
      { op: 'signal', signal: 1 },
      { op: 'resize', columns: 1, rows: 1 },
    ])
      expect((await failureOf(agent.connection.call({ ...open, process: 'nobody' }))).code).to.equal(
        'PROCESS_NOT_FOUND',
      );
    expect((await failureOf(agent.connection.call({ op: 'signal', process: 'nobody', signal: 65 }))).code).to.equal(
      'INVALID_SPEC',
    );
  });

  it('stops everything on SIGTERM, stores results, and exits with 143', async () => {
    const [escaped = 0] = await startReady(
      'last',
      'trap "echo end; exit 9" TERM; setsid sleep 60 >/dev/null & echo $!; while :; do sleep 0.02; done',
      1,
    );
    expect(await agent.terminate()).to.equal(143);
    expect(await lives(escaped)).to.equal(false);
    expect(await exists(`${agent.folder}/agent/socket`)).to.equal(false);
    const next = await AgentProcess.start({ folder: agent.folder });
    const other = await next.connect();
    const { stdout, result } = await other.attach('last');
    expect(stdout.toString()).to.contain('end');
    expect(result['exitStatus']).to.equal(9);
    await next[Symbol.asyncDispose]();
  });

  it('marks the results that follow SIGTERM, durably, and no earlier ones', async () => {
    await agent.connection.run('before', ['true']);
    await startReady('polite', 'trap "exit 0" TERM; echo $$; while :; do sleep 0.02; done', 1);
    agent.connection.open({ op: 'attach', process: 'polite', output: false });
    await agent.connection.expect(frameType.opened);
    expect(await agent.terminate()).to.equal(143);
    expect(await agent.connection.expectJson(frameType.result)).to.deep.include({ exitStatus: 0, shutdown: true });
    await using next = await AgentProcess.start({ folder: agent.folder });
    const other = await next.connect();
    expect((await other.attach('polite')).result).to.deep.include({ exitStatus: 0, shutdown: true });
    expect(await other.call({ op: 'stop', process: 'polite', graceMs: 0 })).to.deep.include({
      exitStatus: 0,
      shutdown: true,
    });
    expect((await other.attach('before')).result).to.not.have.property('shutdown');
  });

  it('marks a status that was stored between SIGTERM and SIGKILL', async () => {
    // A descendant ignores TERM and holds the output, so that only the status is stored.
    await startReady(
      'cut',
      '(trap "" TERM; echo 1; while :; do sleep 0.02; done) & trap "exit 0" TERM; echo 2; wait',
      2,
    );
    process.kill(agent.pid, 'SIGTERM');
    await until('its status is stored', async () => await exists(`${agent.folder}/agent/processes/cut/exit`));
    await agent.killAndRestart();
    const other = await agent.connect();
    expect((await other.attach('cut')).result).to.deep.include({ exitStatus: 0, shutdown: true, outputCut: true });
  });

  it('reports processes ended by a kill of the agent as lost, keeps results, and never starts either again', async () => {
    const [pid = 0] = await startReady('running', 'echo $$; trap "" TERM; sleep 60', 1);
    await agent.connection.run('ended', ['sh', '-c', 'echo kept; exit 6'], { specDigest: 'd'.repeat(64) });
    const incarnation = (await agent.connection.agentHello)['incarnation'];
    await agent.killAndRestart();
    const after = await agent.connect();
    expect((await after.agentHello)['incarnation']).to.not.equal(incarnation);
    expect(await lives(pid)).to.equal(false);
    const lost = await failureOf(after.attach('running'));
    expect(lost.code).to.equal('PROCESS_LOST');
    expect(lost.facts).to.have.property('oomKills');
    const kept = await after.attach('ended');
    expect([kept.stdout.toString(), kept.result['exitStatus']]).to.deep.equal(['kept\n', 6]);
    for (const id of ['running', 'ended']) expect(await after.start(id, ['true'])).to.include({ started: false });
    expect(await after.start('ended', ['true'])).to.include({ specDigest: 'd'.repeat(64) });
    const states = ((await after.call({ op: 'status' }))['processes'] as Json[]).map(({ id, state, exitStatus }) => ({
      id,
      state,
      exitStatus,
    }));
    expect(states).to.have.deep.members([
      { id: 'running', state: 'lost', exitStatus: null },
      { id: 'ended', state: 'ended', exitStatus: 6 },
    ]);
    expect((await failureOf(after.call({ op: 'stop', process: 'running', graceMs: 0 }))).code).to.equal('PROCESS_LOST');
    await after.bye();
  });

  it('keeps the status of a command that had ended before the agent was killed, also while its output was awaited', async () => {
    // A descendant holds the pipe, and writes often enough to delay the end.
    const script = 'echo first; (while :; do echo more; sleep 0.05; done) & exit 7';
    for (const tty of [undefined, { columns: 80, rows: 24 }]) {
      const killed = async (id: string): Promise<AttachResult | undefined> => {
        await agent.connection.start(id, ['sh', '-c', tty === undefined ? script : `trap "" HUP; ${script}`], { tty });
        const record = `${agent.folder}/agent/processes/${id}`;
        await until('its status is stored', async () => await exists(`${record}/exit`));
        await until('more is stored', async () => (await readFile(`${record}/stdout.0`, 'utf8')).includes('more'));
        await agent.killAndRestart();
        await agent.openConnection();
        const attached = await agent.connection.attach(id);
        return attached.result['outputCut'] === true ? attached : undefined;
      };
      let tries = 0;
      const idOf = (number: number): string => `${tty === undefined ? 'pipe' : 'terminal'}-${number}`;
      // On a busy machine the agent may have waited long enough for the output before it is killed.
      const { stdout, result } = await until('it is killed in time', () => killed(idOf((tries += 1))));
      const id = idOf(tries);
      expect(stdout.toString()).to.match(/^first\r?\nmore\r?\n/);
      expect(result).to.deep.include({ exitStatus: 7, signal: null, stdoutBytes: stdout.length });
      expect(await agent.connection.start(id, ['true'])).to.include({ started: false });
      const processes = (await agent.connection.call({ op: 'status' }))['processes'] as Json[];
      expect(processes.find((each) => each['id'] === id)).to.include({ state: 'ended', exitStatus: 7 });
    }
  });

  it('returns the stored status to any number of concurrent stops', async () => {
    await agent.connection.start('asked', ['sh', '-c', '(while :; do echo more; sleep 0.05; done) & exit 7']);
    await until('its status is stored', async () => await exists(`${agent.folder}/agent/processes/asked/exit`));
    await agent.killAndRestart();
    const connections = await Promise.all(Array.from({ length: 8 }, async () => await agent.connect()));
    const stops = connections.map(async (each) => {
      const statuses = new Set<unknown>();
      for (let turn = 0; turn < 150; turn++) {
        const answer = await each.call({ op: 'stop', process: 'asked', graceMs: 0 }).catch((error: unknown) => error);
        statuses.add(answer instanceof AgentFailure ? answer.code : (answer as Json)['exitStatus']);
      }
      return [...statuses];
    });
    expect(new Set((await Promise.all(stops)).flat())).to.deep.equal(new Set([7]));
    for (const each of connections) each.destroy();
  });

  it('never signals a group that reuses the id of an ended command, by a stop or when its supervisor is killed', async function () {
    const isolated = [
      'unshare',
      ...(process.getuid?.() === 0 ? [] : ['--user', '--map-root-user']),
      '--pid',
      '--fork',
      '--kill-child',
      '--mount-proc',
    ];
    if (
      spawnSync(isolated[0] as string, [...isolated.slice(1), 'test', '-w', '/proc/sys/kernel/ns_last_pid']).status !==
      0
    ) {
      console.log('      skipped: no namespace of process ids whose next id can be chosen can be made here');
      return this.skip();
    }
    await using other = await AgentProcess.start({ wrapper: isolated });
    using _end = { [Symbol.dispose]: () => void process.kill(other.pid, 'SIGKILL') }; // `unshare` ignores TERM
    const inside = await other.connect();
    const text = async (id: string, script: string): Promise<string> =>
      (await inside.run(id, ['sh', '-c', script])).stdout.toString().trim();
    for (const end of ['stop', 'kill']) {
      // The command ends at once; its descendant in another session keeps the supervisor running.
      const [leader, supervisor] = (await text(`${end}-old`, 'setsid sleep 60 >/dev/null 2>&1 & echo $$ $PPID'))
        .split(' ')
        .map(Number);
      // Another group gets the same id if possible.
      const reuse = `echo ${Number(leader) - 1} >/proc/sys/kernel/ns_last_pid; setsid sleep 61 >/dev/null 2>&1 & echo $!`;
      const victim = await text(`${end}-new`, reuse);
      if (end === 'stop') await inside.call({ op: 'stop', process: 'stop-old', graceMs: 0 });
      else await text('killer', `kill -KILL ${supervisor}; while [ -e /proc/${supervisor} ]; do sleep 0.01; done`);
      await sleep(50);
      expect(await text(`${end}-look`, `kill -0 ${victim} && echo lives`), end).to.equal('lives');
    }
  });

  it('reports a process as lost when its supervisor is killed, and leaves no unsupervised command', async () => {
    const [pid = 0] = await startReady('unwatched', 'echo $$; sleep 60', 1);
    agent.connection.open({ op: 'attach', process: 'unwatched' });
    await agent.connection.expect(frameType.opened);
    const supervisor = Number((await readFile(`/proc/${pid}/stat`, 'utf8')).match(/\) . (\d+)/)?.[1]);
    process.kill(supervisor, 'SIGKILL');
    agent.connection.window(1, 0, 1000);
    let frame = await agent.connection.next();
    while (frame?.type === frameType.data) frame = await agent.connection.next();
    expect(JSON.parse(String(frame?.payload))).to.have.property('code', 'PROCESS_LOST');
    agent.connection.done();
    await until('the command ends', async () => !(await lives(pid)));
  });

  it('removes an ended process on request, and no running one', async () => {
    await agent.connection.run('gone', ['true']);
    await agent.connection.start('here', ['sleep', '60']);
    expect(await agent.connection.call({ op: 'remove', process: 'gone' })).to.deep.equal({});
    expect(await agent.connection.call({ op: 'remove', process: 'gone' })).to.deep.equal({});
    expect(await exists(`${agent.folder}/agent/processes/gone`)).to.equal(false);
    expect((await failureOf(agent.connection.attach('gone'))).code).to.equal('PROCESS_NOT_FOUND');
    expect((await failureOf(agent.connection.call({ op: 'remove', process: 'here' }))).code).to.equal('INVALID_SPEC');
    const [only] = (await agent.connection.call({ op: 'status' }))['processes'] as Json[];
    expect(only).to.include({ id: 'here', state: 'running', exitStatus: null });
    expect(await lives(Number(only?.['pid']))).to.equal(true);
  });

  it('continues a command when its connection is cut', async () => {
    await agent.connection.start('detached', ['sh', '-c', 'sleep 0.2; echo done']);
    agent.connection.open({ op: 'attach', process: 'detached' });
    await agent.connection.expect(frameType.opened);
    agent.connection.destroy();
    await sleep(50);
    const other = await agent.connect();
    expect((await other.attach('detached')).stdout.toString()).to.equal('done\n');
    await other.bye();
  });
});
