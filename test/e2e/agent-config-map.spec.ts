import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { CoreV1Api } from '@kubernetes/client-node';
import { expect } from 'chai';

import { FakeCluster } from '../../fakes/index.ts';
import { readAgentConfigMap } from '../../src/pods/agent-config-map.ts';
import { AgentDelivery } from '../../src/pods/agent-delivery.ts';
import { type RealCluster, realCluster } from '../support/real-cluster.ts';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../../', import.meta.url));

/** Returns the commands of `docs/rbac.md` that create the agent's config map: by kubectl, or by its function. */
function documentedCommands(namespace: string, start: 'agent=' | 'node '): string {
  const blocks = [...readFileSync(`${root}docs/rbac.md`, 'utf8').matchAll(/```sh\n(.*?)```/gs)];
  const commands = blocks.map(([, block = '']) => block).find((block) => block.startsWith(start)) ?? '';
  return commands
    .replaceAll('NAMESPACE', namespace)
    .replace('node_modules/kubernetes-worker/', root)
    .replace("'kubernetes-worker'", `'${root}src/index.ts'`);
}

describe("the agent's config map that an operator creates", () => {
  let real: RealCluster | undefined;

  before(async function () {
    real = await realCluster(this, 'agent-config-map');
  });

  after(async () => {
    await real?.remove();
  });

  for (const start of ['agent=', 'node '] as const)
    it(`is used by a worker that may not create one, if the documented command "${start}…" has created it`, async () => {
      const { cluster, namespace, kubeConfig } = real!;
      const labelSelector = 'app.kubernetes.io/name=kubernetes-worker-agent';
      await kubeConfig.makeApiClient(CoreV1Api).deleteCollectionNamespacedConfigMap({ namespace, labelSelector });
      await run('/bin/sh', ['-ec', documentedCommands(namespace, start)]);
      const { name } = (await readAgentConfigMap('amd64')).metadata;
      const readOnly = new FakeCluster();
      readOnly.getConfigMap.callsFake((wanted, options) => cluster.getConfigMap(wanted, options));
      const delivery = new AgentDelivery(readOnly, { architecture: 'amd64', configMap: 'existing' });
      expect(await delivery.ensure('amd64')).to.equal(name);
    });
});
