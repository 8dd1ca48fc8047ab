import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';

import { expect } from 'chai';
import { withAgent } from '../../support/agent/agent-fixture.ts';
import { encodeFrame, frameType } from '../../support/agent/agent-frames.ts';
import { AgentProcess, exists, until } from '../../support/agent/agent-process.ts';
import { tarOf } from '../../support/tar.ts';

describe('the resources of the agent', () => {
  const agent = withAgent({ per: 'test' });

  beforeEach(() => agent.connection.bye());

  const descriptors = async (): Promise<number> => (await readdir(`/proc/${agent.pid}/fd`)).length;

  it('are released after processes, transfers and connections of every outcome', async () => {
    await until('the first session has ended', async () => (await agent.children()).length === 0);
    const before = await descriptors();
    const connections = await Promise.all(Array.from({ length: 6 }, () => agent.connect()));
    await Promise.all(
      connections.map((connection, index) => connection.run(`p${index}`, ['sh', '-c', 'sleep 0.05 & exit 1'])),
    );
    await Promise.all(
      connections.map((connection, index) => connection.start(`bad${index}`, ['/no/such']).catch(() => undefined)),
    );
    const [first, second, third, ...rest] = connections;
    await first?.receive({ id: 'up', volume: 'v' }, await tarOf({ a: 'a' }));
    await first?.bye();
    second?.write(Buffer.from('garbage that is no frame'));
    second?.destroy();
    third?.open({ op: 'receive', id: 'cut', volume: 'v', path: '', attempt: 1 });
    await third?.expect(frameType.opened);
    third?.destroy();
    for (const connection of rest) connection.destroy();
    await until('all children have ended', async () => (await agent.children()).length === 0);
    expect(await descriptors()).to.equal(before);
    expect(await readdir(join(agent.folder, 'agent/operations'))).to.deep.equal([]);
    expect((await readdir(join(agent.folder, 'agent/processes'))).toSorted()).to.deep.equal([
      'p0',
      'p1',
      'p2',
      'p3',
      'p4',
      'p5',
    ]);
  });

  it('include no processor time while idle', async () => {
    const connection = await agent.connect();
    await connection.start('idle', ['sleep', '60']);
    const pids = [String(agent.pid), ...(await agent.children())];
    const switches = async (): Promise<number[]> =>
      Promise.all(
        pids.map(async (pid) =>
          Number((await readFile(`/proc/${pid}/status`, 'utf8')).match(/^voluntary_ctxt_switches:\s+(\d+)/m)?.[1]),
        ),
      );
    // On a busy machine, what came before takes a while.
    await until('no process runs for half a second', async () => {
      const before = await switches();
      await sleep(500);
      return isDeepStrictEqual(await switches(), before);
    });
    expect(pids.length).to.equal(3); // serve, a session, a supervisor
    await connection.bye();
  });

  it('are released when serve is killed: the connection ends', async () => {
    const connection = await agent.connect();
    await agent.killAndRestart();
    await connection.ended;
    expect(await exists(join(agent.folder, 'agent/lock'))).to.equal(true);
  });

  it('include a socket at a path longer than a socket address, for which connect waits', async () => {
    const folder = join(agent.folder, ...Array.from({ length: 8 }, () => 'a-rather-long-name-of-a-folder'));
    expect(folder.length).to.be.above(200);
    await mkdir(folder, { recursive: true });
    const other = await AgentProcess.start({ folder });
    const connection = await other.connect();
    expect((await connection.run('x', ['echo', 'far'])).stdout.toString()).to.equal('far\n');
    connection.write(encodeFrame(frameType.bye));
    await other[Symbol.asyncDispose]();
  });
});
