import { expect } from 'chai';
import sinon from 'sinon';

import { FakeCluster } from '../../../fakes/index.ts';
import { ConflictError } from '../../../src/errors/cluster.ts';
import type { ConfigMap } from '../../../src/kubernetes/cluster.ts';
import { agentConfigMap } from '../../../src/pods/agent-config-map.ts';
import { AgentDelivery } from '../../../src/pods/agent-delivery.ts';
import { rejection } from '../../support/rejection.ts';

const facts = { verb: 'create', resource: 'configmaps', namespace: 'n' };

describe('AgentDelivery', () => {
  let cluster: FakeCluster;
  let delivery: AgentDelivery;
  let expected: ConfigMap;

  beforeEach(async () => {
    cluster = new FakeCluster({ namespace: 'n' });
    delivery = new AgentDelivery(cluster, undefined);
    expected = await agentConfigMap('amd64');
    cluster.getConfigMap.resolves(expected);
  });

  describe('ensure()', () => {
    it('reads an existing config map once, also for concurrent calls', async () => {
      const names = await Promise.all([delivery.ensure('amd64'), delivery.ensure('amd64')]);
      expect(names).to.deep.equal([expected.metadata?.name, expected.metadata?.name]);
      await delivery.ensure('amd64');
      sinon.assert.calledOnce(cluster.getConfigMap);
    });

    it('creates a missing config map, and verifies the one that another host creates meanwhile', async () => {
      cluster.getConfigMap.onFirstCall().resolves(undefined);
      cluster.createConfigMap.rejects(new ConflictError(facts, 'exists'));
      expect(await delivery.ensure('amd64')).to.equal(expected.metadata?.name);
      cluster.getConfigMap.resolves({ metadata: { name: 'other' }, immutable: true, binaryData: {} });
      expect(await rejection(new AgentDelivery(cluster, undefined).ensure('amd64'))).to.be.instanceOf(ConflictError);
    });
  });

  describe('restore()', () => {
    beforeEach(async () => {
      await delivery.ensure('amd64');
      cluster.getConfigMap.resetHistory();
    });

    it('asks once for all concurrent calls whether the config map exists, without reading it', async () => {
      cluster.hasConfigMap.resolves(true);
      await Promise.all(Array.from({ length: 50 }, () => delivery.restore('amd64')));
      sinon.assert.calledOnceWithExactly(cluster.hasConfigMap, expected.metadata?.name ?? '');
      sinon.assert.notCalled(cluster.getConfigMap);
      await delivery.restore('amd64');
      sinon.assert.calledTwice(cluster.hasConfigMap);
    });

    it('creates a deleted config map again', async () => {
      cluster.hasConfigMap.resolves(false);
      cluster.getConfigMap.resolves(undefined);
      cluster.createConfigMap.resolves();
      await delivery.restore('amd64');
      sinon.assert.calledOnceWithExactly(cluster.createConfigMap, expected);
    });

    it('rejects each call of a failed request, and asks again at the next call', async () => {
      const error = new Error('no answer');
      cluster.hasConfigMap.rejects(error);
      expect(await rejection(delivery.restore('amd64'))).to.equal(error);
      cluster.hasConfigMap.resolves(true);
      await delivery.restore('amd64');
    });
  });
});
