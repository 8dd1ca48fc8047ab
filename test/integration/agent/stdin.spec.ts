import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { expect } from 'chai';

import type { AgentConnection } from '../../support/agent/agent-connection.ts';
import { withAgent } from '../../support/agent/agent-fixture.ts';
import {
  decodeWindow,
  encodeData,
  encodeEnd,
  encodeFrame,
  frameType,
  sha256,
} from '../../support/agent/agent-frames.ts';
import { exists, until } from '../../support/agent/agent-process.ts';

describe('the stdin of a process', () => {
  const agent = withAgent();

  it('receives stdin and its end sent before BYE, even if the session had not read them', async () => {
    const childCalled = async (name: string, but: readonly number[] = []): Promise<number[]> => {
      const pids = (await readFile(`/proc/${agent.pid}/task/${agent.pid}/children`, 'utf8'))
        .trim()
        .split(' ')
        .map(Number);
      const names = await Promise.all(
        pids.map(async (pid) => (await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '')).trim()),
      );
      return pids.filter((pid, index) => names[index] === name && !but.includes(pid));
    };
    const stopped = async (pid: number): Promise<boolean> => /\) T /.test(await readFile(`/proc/${pid}/stat`, 'utf8'));
    const others = [...(await childCalled('agent process')), ...(await childCalled('agent session'))];
    const folder = join(agent.folder, 'goodbye');
    const script = 'until [ -e print ]; do sleep 0.01; done; echo news; : >printed; cat';
    await agent.connection.start('goodbye', ['sh', '-c', script], { stdin: true, dir: folder });
    const feeding = await agent.connect();
    feeding.open({ op: 'attach', process: 'goodbye', stdin: true, output: false });
    await feeding.expect(frameType.opened);
    await feeding.expect(frameType.window);
    const [supervisor = 0] = await childCalled('agent process', others);
    const [session = 0] = await childCalled('agent session', others);
    // The session is stopped, gets states of the output, and finds them and BYE when it continues.
    process.kill(session, 'SIGSTOP');
    await until('the session is stopped', async () => await stopped(session));
    await writeFile(join(folder, 'print'), '');
    await until('the command has printed', async () => await exists(join(folder, 'printed')));
    const text = Buffer.from('all of it');
    feeding.write(
      Buffer.concat([encodeData(0, 0, text), encodeEnd(0, text.length, sha256(text)), encodeFrame(frameType.bye)]),
    );
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
    expect((await agent.connection.attach('goodbye')).stdout.toString()).to.equal('news\nall of it');
  });

  const attach = async (
    id: string,
    attempt: number,
    protocol?: readonly [number, number],
  ): Promise<AgentConnection> => {
    const other = await agent.connect(protocol);
    other.open({ op: 'attach', process: id, stdin: true, output: false, attempt });
    await other.expect(frameType.opened);
    return other;
  };
  /** Receives windows until these bytes are acknowledged. */
  const acknowledged = async (feeding: AgentConnection, bytes: number): Promise<void> => {
    while (decodeWindow(await feeding.expect(frameType.window)).acknowledged < bytes);
  };
  const news = async (feeding: AgentConnection): Promise<unknown> => {
    for (;;) {
      const frame = await feeding.next();
      if (frame?.type === frameType.progress) return JSON.parse(frame.payload.toString());
      expect(frame?.type).to.equal(frameType.window);
    }
  };
  const answerPing = async (feeding: AgentConnection): Promise<void> => {
    feeding.write(encodeFrame(frameType.pong, (await feeding.expect(frameType.ping)).payload));
  };
  const end = (feeding: AgentConnection, total: number, text: string): void => {
    feeding.write(encodeEnd(0, total, sha256(Buffer.from(text))));
  };

  it('is owned by the highest attempt, and sends nothing to the other hosts of protocol 2', async () => {
    await agent.connection.start('owner', ['cat'], { stdin: true });
    const old = await attach('owner', 3, [1, 2]);
    await old.expect(frameType.window);
    const lower = await attach('owner', 2, [1, 2]);
    expect(await lower.silent(50)).to.equal(true);
    const higher = await attach('owner', 4, [1, 2]);
    await higher.expect(frameType.window);
    old.write(encodeData(0, 0, Buffer.from('dropped')));
    higher.write(encodeData(0, 0, Buffer.from('kept')));
    end(higher, 4, 'kept');
    expect((await agent.connection.attach('owner')).stdout.toString()).to.equal('kept');
    for (const other of [old, lower, higher]) other.destroy();
  });

  it('reports to an attachment that another has taken stdin, and returns it once the other has ended', async () => {
    await agent.connection.start('back', ['cat'], { stdin: true });
    const first = await attach('back', 1);
    await first.expect(frameType.window);
    first.write(encodeData(0, 0, Buffer.from('first ')));
    await acknowledged(first, 6);
    const second = await attach('back', 2);
    expect(await news(first)).to.deep.equal({ stdin: { owner: false } });
    await second.expect(frameType.window);
    second.write(encodeData(0, 6, Buffer.from('second ')));
    await acknowledged(second, 13);
    second.destroy();
    expect(await news(first)).to.deep.equal({ stdin: { owner: true, from: 13, ended: false } });
    await answerPing(first);
    expect(decodeWindow(await first.expect(frameType.window))).to.include({ acknowledged: 13 });
    first.write(encodeData(0, 13, Buffer.from('third')));
    end(first, 18, 'third');
    expect((await agent.connection.attach('back')).stdout.toString()).to.equal('first second third');
    first.destroy();
  });

  it('drops what a host sent before it received that its turn has ended or begun again', async () => {
    await agent.connection.start('void', ['cat'], { stdin: true });
    const first = await attach('void', 1);
    await first.expect(frameType.window);
    const second = await attach('void', 2);
    first.write(encodeData(0, 0, Buffer.from('void')));
    end(first, 4, 'void');
    expect(await news(first)).to.deep.equal({ stdin: { owner: false } });
    await second.expect(frameType.window);
    second.destroy();
    expect(await news(first)).to.deep.equal({ stdin: { owner: true, from: 0, ended: false } });
    // In transit when the agent reported it, also if its offset is that of the new turn.
    first.write(encodeData(0, 0, Buffer.from('void')));
    first.write(encodeData(0, 4, Buffer.from('void too')));
    end(first, 12, 'voidvoid too');
    await answerPing(first);
    await first.expect(frameType.window);
    first.write(encodeData(0, 0, Buffer.from('kept')));
    end(first, 4, 'kept');
    expect((await agent.connection.attach('void')).stdout.toString()).to.equal('kept');
    first.destroy();
  });

  it('reports to a lower attempt at once that another owns stdin, and its end once it becomes the owner', async () => {
    await agent.connection.start('lower', ['sh', '-c', 'cat; exec sleep 60'], { stdin: true });
    const higher = await attach('lower', 2);
    await higher.expect(frameType.window);
    const lower = await attach('lower', 1);
    expect(await news(lower)).to.deep.equal({ stdin: { owner: false } });
    higher.write(encodeData(0, 0, Buffer.from('all')));
    await acknowledged(higher, 3);
    end(higher, 3, 'all');
    await higher.bye();
    expect(await news(lower)).to.deep.equal({ stdin: { owner: true, from: 3, ended: true } });
    lower.destroy();
    await agent.connection.call({ op: 'stop', process: 'lower', graceMs: 0 });
  });

  it('ends the input of a terminal also after an incomplete line', async () => {
    for (const text of ['', 'a line\n', 'a part']) {
      const id = `tty-${text.length}`;
      const tty = { columns: 80, rows: 24 };
      await agent.connection.start(id, ['sh', '-c', 'stty -echo; echo ready; cat; echo over'], { stdin: true, tty });
      await until('it is ready', async () =>
        (await readFile(join(agent.folder, 'agent/processes', id, 'stdout.0'), 'utf8').catch(() => '')).includes(
          'ready',
        ),
      );
      const { stdout } = await agent.connection.attach(id, { stdin: true }, Buffer.from(text));
      expect(stdout.toString().replaceAll('\r', '')).to.equal(`ready\n${text}over\n`);
    }
  });
});
