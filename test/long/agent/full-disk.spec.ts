import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { expect } from 'chai';

import { AgentFailure, failureOf, type Json, Receiver } from '../../support/agent/agent-connection.ts';
import { withAgent } from '../../support/agent/agent-fixture.ts';
import { decodeData, frameType } from '../../support/agent/agent-frames.ts';
import { exists, until } from '../../support/agent/agent-process.ts';
import { LimitedFolder } from '../../support/limited-folder.ts';

describe('a process on a full disk', () => {
  let limited: LimitedFolder;

  beforeEach(async function () {
    const folder = await LimitedFolder.mount('size=4m');
    if (folder === undefined) {
      console.log('      skipped: no small file system can be mounted here');
      return this.skip();
    }
    limited = folder;
  });

  const agent = withAgent({ per: 'test', options: () => ({ folder: limited.folder }) });

  afterEach(() => limited[Symbol.asyncDispose]());

  const record = (id: string, name: string): string => join(limited.folder, 'agent/processes', id, name);
  /** A shell command that fills the disk. */
  const fill = (): string => `cat /dev/zero >${limited.folder}/fill 2>/dev/null`;

  /**
   * Receives output with a window of 1 MiB, and acknowledges it as durable. Resolves with the
   * number of bytes, RESULT and all PROGRESS.
   */
  const takeDurably = async (id: string): Promise<{ bytes: number; result: Json; progress: Json[] }> => {
    const window = 1024 * 1024;
    const progress: Json[] = [];
    let bytes = 0;
    agent.connection.open({ op: 'attach', process: id });
    await agent.connection.opened();
    agent.connection.window(1, 0, window);
    for (;;) {
      const frame = await agent.connection.next();
      if (frame?.type === frameType.progress) progress.push(JSON.parse(frame.payload.toString()) as Json);
      else if (frame?.type === frameType.data) {
        bytes += decodeData(frame).raw.length;
        agent.connection.window(1, bytes, bytes + window, true);
      } else if (frame?.type === frameType.result) {
        agent.connection.done();
        return { bytes, result: JSON.parse(frame.payload.toString()) as Json, progress };
      } else expect(frame?.type).to.equal(frameType.end);
    }
  };

  it('reports that the disk is full, and continues once there is space', async () => {
    await agent.connection.start('full', ['head', '-c', '40000000', '/dev/zero']);
    await until(
      'the disk is full',
      async () => Number((await agent.connection.call({ op: 'status' }))['freeBytes']) === 0,
    );
    const { bytes, progress } = await takeDurably('full');
    expect(bytes).to.equal(40_000_000);
    expect(progress[0]).to.deep.equal({ diskFull: true });
    expect(progress.at(-1)).to.deep.equal({ diskFull: false });
  });

  it('reports its result, whose space is reserved at the start', async () => {
    await agent.connection.start('filler', ['sh', '-c', `${fill()}; exit 5`]);
    expect((await agent.connection.attach('filler')).result).to.include({ exitStatus: 5 });
    expect(await agent.connection.call({ op: 'stop', process: 'filler', graceMs: 0 })).to.include({ exitStatus: 5 });
    expect(await agent.connection.call({ op: 'status' })).to.include({ freeBytes: 0 });
    await agent.killAndRestart();
    await agent.openConnection();
    expect((await agent.connection.attach('filler')).result)
      .to.include({ exitStatus: 5 })
      .and.not.have.property('outputCut');
  });

  it('does not start without space for its result', async () => {
    await limited.run('! cat /dev/zero >"$0/fill"');
    expect((await failureOf(agent.connection.start('none', ['true']))).code).to.equal('DISK_FULL');
    await limited.run('rm "$0/fill"');
    expect((await agent.connection.run('none', ['true'])).result).to.include({ exitStatus: 0 });
  });

  for (const [tty, count] of [
    [undefined, 60_000],
    [{ columns: 80, rows: 24 }, 10_000],
  ] as const)
    it(`loses none of its output ${tty === undefined ? 'in pipes' : 'on a terminal'}, however late there is space`, async () => {
      // The status of the process needs its pid file, which is written after the command has begun.
      const script = `until [ -s ${record('last', 'pid')} ]; do sleep 0.01; done; ${fill()}; until [ -e ${limited.folder}/print ]; do sleep 0.01; done; head -c ${count} /dev/zero | tr '\\0' x; exit 4`;
      await agent.connection.start('last', ['sh', '-c', script], { tty });
      await until(
        'the disk is full',
        async () => Number((await agent.connection.call({ op: 'status' }))['freeBytes']) === 0,
      );
      const command = Number(await readFile(record('last', 'pid'), 'utf8'));
      const stat = async (pid: number): Promise<string> => await readFile(`/proc/${pid}/stat`, 'utf8');
      const supervisor = Number((await stat(command)).match(/\) . (\d+)/)?.[1]);
      // The supervisor reads the output and the end of the command at the same time.
      process.kill(supervisor, 'SIGSTOP');
      await limited.run('mkdir "$0/print"');
      await until('the command has ended', async () => /\) Z /.test(await stat(command)));
      process.kill(supervisor, 'SIGCONT');
      await until('its status is stored', async () => await exists(record('last', 'exit')));
      await sleep(2100); // longer than an end is awaited
      expect(await exists(record('last', 'result'))).to.equal(false);
      await limited.run('rm "$0/fill"');
      const { stdout, result } = await agent.connection.attach('last');
      expect(stdout.toString() === 'x'.repeat(count), `${stdout.length} bytes`).to.equal(true);
      expect(result).to.include({ exitStatus: 4 }).and.not.have.property('outputCut');
    });

  it('frees all output that a host has stored, independent of the retention', async () => {
    await agent.connection.start('much', ['head', '-c', '20000000', '/dev/zero'], { retainBytes: 1024 * 1024 * 1024 });
    const { bytes, result } = await takeDurably('much');
    expect(bytes).to.equal(20_000_000);
    expect(result).to.include({ exitStatus: 0, stdoutBytes: 20_000_000 });
  });

  it('gives a slow reader the bytes or OUTPUT_FREED, and never zeros instead', async () => {
    await agent.connection.start('text', ['sh', '-c', 'yes | head -c 12000000; exec sleep 60']);
    const slow = await agent.connect();
    slow.open({ op: 'attach', process: 'text' });
    await slow.opened();
    slow.window(1, 0, 100);
    let first = await slow.next();
    while (first?.type === frameType.progress) first = await slow.next();
    expect(first?.type).to.equal(frameType.data);
    agent.connection.open({ op: 'attach', process: 'text' });
    const receiver = new Receiver(agent.connection, 1, (await agent.connection.opened())['stdout'] as Json);
    for (let end = 0; end < 12_000_000; ) {
      const frame = await agent.connection.next();
      if (frame?.type !== frameType.data) continue;
      const data = decodeData(frame);
      receiver.take(data);
      end = data.offset + data.raw.length;
      agent.connection.window(1, end, end + 4 * 1024 * 1024, true);
    }
    slow.window(1, 100, 1_000_000);
    let frame = await slow.next();
    while (frame?.type === frameType.progress) frame = await slow.next();
    const error = JSON.parse(String(frame?.payload)) as Json;
    expect(error).to.include({ code: 'OUTPUT_FREED', path: 'stdout', bytes: 100 });
    slow.done();
    const other = await agent.connect();
    await other.call({ op: 'stop', process: 'text', graceMs: 0 });
    const late = await slow.attach('text');
    const kept = Number((late.opened['stdout'] as Json)['first']);
    expect(kept).to.be.at.least(Number(error['limitBytes'])).and.to.be.above(7_000_000);
    expect(/^(y\n)*$/.test(late.stdout.subarray(kept % 2).toString())).to.equal(true);
    for (const each of [slow, other]) each.destroy();
  });

  it('ends within the time limits of a stop if no host receives its output, and reports that the output is cut', async () => {
    await agent.connection.start('endless', ['yes']);
    await until(
      'the disk is full',
      async () => Number((await agent.connection.call({ op: 'status' }))['freeBytes']) === 0,
    );
    const result = await agent.connection.call({ op: 'stop', process: 'endless', graceMs: 0 });
    expect(result).to.deep.include({ exitStatus: 143, outputCut: true });
    const { stdout } = await agent.connection.attach('endless').catch((error: unknown) => {
      throw error instanceof AgentFailure ? new Error(JSON.stringify(error.facts)) : error;
    });
    expect(stdout.length).to.equal(result['stdoutBytes']);
  });
});
