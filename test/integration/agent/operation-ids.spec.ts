/** Which of several connections with one operation id proceeds, and how long an outcome is kept. */
import { execFileSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { expect } from 'chai';

import { failureOf } from '../../support/agent/agent-connection.ts';
import { withAgent } from '../../support/agent/agent-fixture.ts';
import { frameType } from '../../support/agent/agent-frames.ts';
import { exists, until } from '../../support/agent/agent-process.ts';
import { tarOf } from '../../support/tar.ts';

describe('an operation id', () => {
  const agent = withAgent({ per: 'test' });

  beforeEach(async () => {
    await agent.connection.receive({ id: 'content', volume: 'from' }, await tarOf({ file: 'content' }));
  });

  const sessions = async (): Promise<number[]> =>
    (await readFile(`/proc/${agent.pid}/task/${agent.pid}/children`, 'utf8')).trim().split(' ').map(Number);

  it('is refused to a waiting lower attempt once the higher one has run', async () => {
    const before = await sessions();
    const first = await agent.connect();
    const [holder = 0] = (await sessions()).filter((pid) => !before.includes(pid));
    first.open({ op: 'receive', id: 'same', volume: 'to', path: '', attempt: 1 });
    await first.expect(frameType.opened);
    // The holder cannot end immediately, so both others wait for it.
    process.kill(holder, 'SIGSTOP');
    const [second, third] = [await agent.connect(), await agent.connect()];
    second.open({ op: 'copy', id: 'same', from: 'from', to: 'second', attempt: 2 });
    expect(await second.silent(50)).to.equal(true);
    third.open({ op: 'copy', id: 'same', from: 'from', to: 'third', attempt: 3 });
    expect(await third.silent(50)).to.equal(true);
    process.kill(holder, 'SIGCONT');
    expect(await third.expectJson(frameType.result)).to.include({ entries: 1 });
    expect((await second.expectJson(frameType.error))['code']).to.equal('INVALID_SPEC');
    expect(await exists(join(agent.folder, 'volumes/second/data/file'))).to.equal(false);
    for (const each of [first, second, third]) each.destroy();
  });

  it('keeps the result of an upload for a day of uptime, independent of the clock', async () => {
    const result = { bytes: 1, sha256: 'ab', entries: 0, expandedBytes: 0 };
    const store = async (id: string, secondsOfUptime: number): Promise<void> => {
      const path = join(agent.folder, 'agent/results', id);
      await writeFile(path, JSON.stringify(result));
      execFileSync('touch', ['-d', `@${Math.round(secondsOfUptime)}`, path]); // Node takes no time before 1970
    };
    const uptime = Number((await readFile('/proc/uptime', 'utf8')).split(' ')[0]);
    await store('kept', uptime - 86_000);
    await store('old', uptime - 87_000);
    // The end of an upload removes expired results.
    await agent.connection.receive({ id: 'next', volume: 'to', leaseMs: 1000 }, await tarOf({ file: 'next' }));
    await until('the old one is gone', async () => !(await exists(join(agent.folder, 'agent/results/old'))));
    const again = { op: 'receive', volume: 'to', path: '', attempt: 2, resume: true, leaseMs: 1000 };
    expect(await agent.connection.call({ ...again, id: 'kept' })).to.deep.equal(result);
    expect((await failureOf(agent.connection.call({ ...again, id: 'old' }))).code).to.equal('OPERATION_GONE');
    // A restart of the agent, perhaps after a reboot, restarts the retention.
    await store('booted', uptime - 87_000);
    await agent.killAndRestart();
    await agent.openConnection();
    await agent.connection.receive({ id: 'last', volume: 'to', leaseMs: 1000 }, await tarOf({ file: 'last' }));
    expect(await agent.connection.call({ ...again, id: 'booted' })).to.deep.equal(result);
  });
});
