import { expect } from 'chai';

import { AgentProcess } from '../../support/agent/agent-process.ts';

describe('the end of output', () => {
  it('is complete if the command ends with unacknowledged output and the rest still in its pipe', async () => {
    await using agent = await AgentProcess.start();
    const connection = await agent.connect();
    const bytes = 50_000;
    await connection.start('p', ['/bin/sh', '-c', `head -c ${bytes} /dev/zero; exit 3`], { unackedLimitBytes: 4096 });
    const { result, stdout } = await connection.attach('p');
    expect(result).to.include({ exitStatus: 3, stdoutBytes: bytes });
    expect(result).not.to.have.property('outputCut');
    expect(stdout.length).to.equal(bytes);
    await connection.bye();
  });
});
