import { expect } from 'chai';

import type { Cluster, ConfigMapList } from '../../../src/kubernetes/cluster.ts';
import { type AgentConfigMap, configMapOf } from '../../../src/pods/agent-config-map.ts';
import { AgentDelivery } from '../../../src/pods/agent-delivery.ts';
import { OldAgents } from '../../../src/pods/old-agents.ts';
import { silentLogger } from '../../support/silent-logger.ts';

const dayMs = 86_400_000;

/** Returns the config map of an agent of another version, which no host of this version creates. */
function ofVersion(number: number): AgentConfigMap {
  return configMapOf({ architecture: 'amd64', bytes: Buffer.from('another'), sha256: String(number).repeat(64) });
}

function later({ configMaps, at }: ConfigMapList, laterMs: number): ConfigMapList {
  return { configMaps, at: at === undefined ? undefined : new Date(at.getTime() + laterMs) };
}

/** Describes the deletion of old agents' config maps on any cluster. */
export function describeOldAgents(clusterOf: () => Cluster, image: string): void {
  describe('config maps of old agents', () => {
    /** The sweep after this time, as its API server reports it. */
    const sweepAfter = (laterMs: number): OldAgents => {
      const cluster = clusterOf();
      return new OldAgents({
        cluster: {
          listPods: (...args) => cluster.listPods(...args),
          deleteConfigMap: (...args) => cluster.deleteConfigMap(...args),
          listConfigMaps: async (...args) => {
            const list = await cluster.listConfigMaps(...args);
            return list === undefined ? undefined : later(list, laterMs);
          },
        },
        delivery: new AgentDelivery(cluster, { architecture: 'amd64' }),
        configMap: 'create',
        logger: silentLogger,
      });
    };

    it('are deleted after a day unless a pod mounts them; those of this version and of operators stay', async () => {
      const cluster = clusterOf();
      const [mounted, unused] = [ofVersion(1), ofVersion(2)];
      const metadata = { name: 'kubernetes-worker-agent-amd64-operators', labels: {} };
      const operators = { ...ofVersion(3), metadata };
      for (const configMap of [mounted, unused, operators]) await cluster.createConfigMap(configMap);
      const current = await new AgentDelivery(cluster).ensure('amd64');
      const agent = { name: 'agent', configMap: { name: mounted.metadata.name } };
      // A pod that never starts, and has no label of the library, mounts it as well.
      await cluster.createPod({
        metadata: { name: 'mounts-an-old-agent' },
        spec: {
          nodeSelector: { 'kubernetes.io/hostname': 'none' },
          terminationGracePeriodSeconds: 0,
          containers: [{ name: 'main', image, volumeMounts: [{ name: 'agent', mountPath: '/agent' }] }],
          volumes: [agent],
        },
      });
      const names = async (sweep: OldAgents) => (await sweep.find()).map(({ name }) => name);
      expect(await names(sweepAfter(dayMs - 60_000))).to.deep.equal([]);
      const sweep = sweepAfter(dayMs + 60_000);
      const [old, ...others] = await sweep.find();
      expect(others).to.deep.equal([]);
      expect(old?.name).to.equal(unused.metadata.name);
      expect(await sweep.remove({ ...old!, uid: '00000000-0000-0000-0000-000000000000' })).to.equal(false);
      expect(await sweep.remove(old!)).to.equal(true);
      expect(await sweep.remove(old!)).to.equal(false);
      for (const each of [mounted, operators]) expect(await cluster.hasConfigMap(each.metadata.name)).to.equal(true);
      expect(await cluster.hasConfigMap(current)).to.equal(true);
      await cluster.deletePod('mounts-an-old-agent');
      while ((await cluster.getPod('mounts-an-old-agent')) !== undefined)
        await new Promise((resolve) => setTimeout(resolve, 20));
      expect(await names(sweep)).to.deep.equal([mounted.metadata.name]);
    });
  });
}
