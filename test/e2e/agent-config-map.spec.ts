import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { expect } from 'chai';

import { FakeCluster } from '../../fakes/index.ts';
import { agentConfigMap } from '../../src/pods/agent-config-map.ts';
import { AgentDelivery } from '../../src/pods/agent-delivery.ts';
import { type RealCluster, realCluster } from '../support/real-cluster.ts';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../../', import.meta.url));

/** Returns the commands of `docs/rbac.md` that create the agent's config map. */
function documentedCommands(namespace: string): string {
  const [, commands = ''] = /```sh\n(agent=.*?)```/s.exec(readFileSync(`${root}docs/rbac.md`, 'utf8')) ?? [];
  return commands.replaceAll('NAMESPACE', namespace).replace('node_modules/kubernetes-worker/', root);
}

describe("the agent's config map that an operator creates", function () {
  this.timeout(60_000);
  let real: RealCluster | undefined;

  before(async function () {
    real = await realCluster(this, 'agent-config-map');
  });

  after(async () => {
    await real?.remove();
  });

  it('is used by a worker that may not create one', async () => {
    const { cluster, namespace } = real!;
    await run('/bin/sh', ['-ec', documentedCommands(namespace)]);
    const { name } = (await agentConfigMap('amd64')).metadata;
    const readOnly = new FakeCluster();
    readOnly.getConfigMap.callsFake((wanted, options) => cluster.getConfigMap(wanted, options));
    expect(await new AgentDelivery(readOnly, 'amd64').ensure('amd64')).to.equal(name);
    expect(readOnly.createConfigMap.callCount).to.equal(0);
  });
});
