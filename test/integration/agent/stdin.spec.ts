import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { expect } from 'chai';

import type { AgentConnection } from '../../support/agent-connection.ts';
import { encodeData, encodeEnd, encodeFrame, frameType, sha256 } from '../../support/agent-frames.ts';
import { AgentProcess, exists, until } from '../../support/agent-process.ts';

describe('the stdin of a process', function () {
  this.timeout(20_000);

  let agent: AgentProcess;
  let connection: AgentConnection;

  before(async () => {
    agent = await AgentProcess.start();
  });

  beforeEach(async () => {
    connection = await agent.connect();
  });

  afterEach(() => {
    connection.destroy();
  });

  after(async () => {
    await agent[Symbol.asyncDispose]();
    expect(agent.stderr).to.equal('');
  });

  it('takes the stdin and its end that came before a goodbye, whatever the session has not read by then', async () => {
    const childCalled = async (name: string, but: readonly number[] = []): Promise<number[]> => {
      const pids = (await readFile(`/proc/${agent.pid}/task/${agent.pid}/children`, 'utf8')).trim().split(' ').map(Number);
      const names = await Promise.all(pids.map(async (pid) => (await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '')).trim()));
      return pids.filter((pid, index) => names[index] === name && !but.includes(pid));
    };
    const stopped = async (pid: number): Promise<boolean> => /\) T /.test(await readFile(`/proc/${pid}/stat`, 'utf8'));
    const others = [...(await childCalled('agent process')), ...(await childCalled('agent session'))];
    const folder = join(agent.folder, 'goodbye');
    const script = 'until [ -e print ]; do sleep 0.01; done; echo news; : >printed; cat';
    await connection.start('goodbye', ['sh', '-c', script], { stdin: true, dir: folder });
    const feeding = await agent.connect();
    feeding.open({ op: 'attach', process: 'goodbye', stdin: true, output: false });
    await feeding.expect(frameType.opened);
    await feeding.expect(frameType.window);
    const [supervisor = 0] = await childCalled('agent process', others);
    const [session = 0] = await childCalled('agent session', others);
    // The session stops, gets news of the output, and finds them and the goodbye when it continues.
    process.kill(session, 'SIGSTOP');
    await until('the session is stopped', async () => await stopped(session));
    await writeFile(join(folder, 'print'), '');
    await until('the command has printed', async () => await exists(join(folder, 'printed')));
    const text = Buffer.from('all of it');
    feeding.write(Buffer.concat([encodeData(0, 0, text), encodeEnd(0, text.length, sha256(text)), encodeFrame(frameType.bye)]));
    await until('the supervisor has stored it', async () => {
      const stored = await readFile(join(agent.folder, 'agent/processes/goodbye/stdout.0'), 'utf8').catch(() => '');
      return stored === 'news\n';
    });
    await sleep(50);
    process.kill(supervisor, 'SIGSTOP');
    await until('the supervisor is stopped', async () => await stopped(supervisor));
    process.kill(session, 'SIGCONT');
    await feeding.ended;
    process.kill(supervisor, 'SIGCONT');
    expect((await connection.attach('goodbye')).stdout.toString()).to.equal('news\nall of it');
  });

  it('lets the highest attempt own stdin, and keeps silent to the others', async () => {
    await connection.start('owner', ['cat'], { stdin: true });
    const attach = async (attempt: number): Promise<AgentConnection> => {
      const other = await agent.connect();
      other.open({ op: 'attach', process: 'owner', stdin: true, attempt });
      await other.expect(frameType.opened);
      return other;
    };
    const old = await attach(3);
    await old.expect(frameType.window);
    const lower = await attach(2);
    expect(await lower.silent(50)).to.equal(true);
    const higher = await attach(4);
    await higher.expect(frameType.window);
    old.write(encodeData(0, 0, Buffer.from('dropped')));
    higher.write(encodeData(0, 0, Buffer.from('kept')));
    higher.write(encodeEnd(0, 4, sha256(Buffer.from('kept'))));
    expect((await connection.attach('owner')).stdout.toString()).to.equal('kept');
    for (const other of [old, lower, higher]) other.destroy();
  });
});
