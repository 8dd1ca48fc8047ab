/** The proof that an upload needs before it is committed, and the credit that limits it. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

import { expect } from 'chai';

import { withAgent } from '../../support/agent/agent-fixture.ts';
import { encodeData, encodeEnd, frameType, sha256 } from '../../support/agent/agent-frames.ts';
import { AgentProcess } from '../../support/agent/agent-process.ts';
import { overfeed } from '../../support/agent/overfed-stdin.ts';
import { tarOf } from '../../support/tar.ts';

describe('an upload', () => {
  const agent = withAgent({ per: 'test' });

  beforeEach(async () => {
    agent.connection.open({ op: 'receive', id: 'upload', attempt: 1, volume: 'v', path: '' });
    await agent.connection.opened();
  });

  const files = () => readdir(join(agent.folder, 'volumes/v/data'));

  for (const [what, difference] of [
    ['more', 1],
    ['less', -1],
  ] as const)
    it(`is rejected if the host counts ${what} bytes than arrived, even with the right digest`, async () => {
      const archive = await tarOf({ file: 'content' });
      await agent.connection.expect(frameType.window);
      agent.connection.write(encodeData(0, 0, archive));
      agent.connection.write(encodeEnd(0, archive.length + difference, sha256(archive)));
      expect(await agent.connection.expectJson(frameType.error)).to.include({ code: 'DIGEST_MISMATCH' });
      expect(await files()).to.deep.equal([]);
    });
});

describe('stdin', () => {
  it('accepts no byte beyond the credit of the agent', async () => {
    await using agent = await AgentProcess.start();
    const connection = await agent.connect();
    await connection.start('p', ['/bin/sleep', '600'], { stdin: true });
    connection.open({ op: 'attach', id: 'attach', attempt: 1, process: 'p', stdin: true });
    await connection.opened();
    expect((await overfeed(connection)).error).to.include({ code: 'PROTOCOL_VIOLATION' });
  });
});
