import { expect } from 'chai';

import { FakeCluster } from '../../../fakes/index.ts';
import { ConflictError, ForbiddenError } from '../../../src/errors/cluster.ts';
import { type AgentConfigMap, readAgentConfigMap } from '../../../src/pods/agent-config-map.ts';
import { AgentDelivery } from '../../../src/pods/agent-delivery.ts';
import { rejection } from '../../support/rejection.ts';

const facts = { verb: 'create', resource: 'configmaps', namespace: 'ci' };

describe('AgentDelivery', () => {
  let cluster: FakeCluster;
  let delivery: AgentDelivery;
  let expected: AgentConfigMap;
  let name: string;

  before(async () => {
    expected = await readAgentConfigMap('amd64');
    ({ name } = expected.metadata);
  });

  beforeEach(() => {
    cluster = new FakeCluster();
    delivery = new AgentDelivery(cluster, { architecture: 'amd64' });
  });

  it('creates the config map if it is missing, once', async () => {
    cluster.getConfigMap.resolves(undefined);
    cluster.createConfigMap.resolves();
    expect(await Promise.all([delivery.ensure('amd64'), delivery.ensure('amd64')])).to.deep.equal([name, name]);
    expect(cluster.createConfigMap.args.map(([configMap]) => configMap)).to.deep.equal([expected]);
  });

  it('needs no permission to create the config map if an operator has created it', async () => {
    cluster.getConfigMap.resolves(expected);
    cluster.createConfigMap.rejects(new ForbiddenError(facts, 'forbidden'));
    expect(await delivery.ensure('amd64')).to.equal(name);
    expect(cluster.createConfigMap.callCount).to.equal(0);
  });

  it('rejects if it is missing and may not be created', async () => {
    cluster.getConfigMap.resolves(undefined);
    cluster.createConfigMap.rejects(new ForbiddenError(facts, 'forbidden'));
    expect(await rejection(delivery.ensure('amd64'))).to.be.instanceOf(ForbiddenError);
  });

  it('accepts the config map that another host has just created', async () => {
    cluster.getConfigMap.onFirstCall().resolves(undefined).onSecondCall().resolves(expected);
    cluster.createConfigMap.rejects(new ConflictError(facts, 'exists'));
    expect(await delivery.ensure('amd64')).to.equal(name);
  });

  it("rejects a config map with another program, and tries again at the next container's creation", async () => {
    cluster.getConfigMap.onFirstCall().resolves({ ...expected, binaryData: { agent: 'AAAA' } });
    cluster.getConfigMap.onSecondCall().resolves(expected);
    expect(await rejection(delivery.ensure('amd64'))).to.be.instanceOf(ConflictError);
    expect(await delivery.ensure('amd64')).to.equal(name);
  });

  it('separates the name of its own config map from those of other versions', async () => {
    const names = [name, 'kubernetes-worker-agent-amd64-0123456789ab', 'kubernetes-worker-agent-s390x-0', 'else'];
    expect([...(await delivery.currentNames(names))]).to.deep.equal([name, ...names.slice(2)]);
  });

  it('counts every name of an architecture as its own if it does not have the program', async () => {
    const path = (architecture: string) => `/none/${architecture}`;
    const names = [name, 'kubernetes-worker-agent-arm64-0123456789ab'];
    const without = new AgentDelivery(cluster, { path });
    expect([...(await without.currentNames(names))]).to.deep.equal(names);
  });

  context("that must not create the config map ('existing')", () => {
    beforeEach(() => {
      cluster = new FakeCluster({ namespace: 'ci' });
      delivery = new AgentDelivery(cluster, { architecture: 'amd64', configMap: 'existing' });
    });

    it('uses the one that exists, and finds it once it is installed', async () => {
      const error = await rejection(delivery.ensure('amd64'));
      expect(error).to.include({ code: 'KW_ERR_AGENT_NOT_INSTALLED', configMapName: name, namespace: 'ci' });
      expect(error.message).to.include(name).and.include('kubectl apply --server-side');
      cluster.getConfigMap.resolves(expected);
      expect(await delivery.ensure('amd64')).to.equal(name);
      expect(cluster.createConfigMap.callCount).to.equal(0);
    });

    it('is found missing, or usable, without a pod', async () => {
      expect(await rejection(delivery.rehearse())).to.include({ code: 'KW_ERR_AGENT_NOT_INSTALLED' });
      cluster.getConfigMap.resolves(expected);
      await delivery.rehearse();
      cluster.getConfigMap.resetHistory();
      await new AgentDelivery(cluster, { architecture: 'amd64' }).rehearse();
      expect(cluster.getConfigMap.callCount).to.equal(0);
    });

    it('rejects while pods wait for one that was deleted', async () => {
      cluster.getConfigMap.resolves(expected);
      await delivery.ensure('amd64');
      cluster.getConfigMap.resolves(undefined);
      cluster.hasConfigMap.resolves(false);
      expect(await rejection(delivery.restore('amd64'))).to.include({ code: 'KW_ERR_AGENT_NOT_INSTALLED' });
      expect(cluster.createConfigMap.callCount).to.equal(0);
    });

    it('rejects one with another program', async () => {
      cluster.getConfigMap.resolves({ ...expected, binaryData: { agent: 'AAAA' } });
      expect(await rejection(delivery.ensure('amd64'))).to.be.instanceOf(ConflictError);
    });
  });

  describe('restore()', () => {
    beforeEach(async () => {
      cluster.getConfigMap.resolves(expected);
      await delivery.ensure('amd64');
      cluster.getConfigMap.resetHistory();
    });

    it('asks once for all concurrent calls whether the config map exists, without reading it', async () => {
      cluster.hasConfigMap.resolves(true);
      await Promise.all(Array.from({ length: 50 }, () => delivery.restore('amd64')));
      expect(cluster.hasConfigMap.args).to.deep.equal([[name]]);
      expect(cluster.getConfigMap.callCount).to.equal(0);
      await delivery.restore('amd64');
      expect(cluster.hasConfigMap.callCount).to.equal(2);
    });

    it('creates a deleted config map again', async () => {
      cluster.hasConfigMap.resolves(false);
      cluster.getConfigMap.resolves(undefined);
      cluster.createConfigMap.resolves();
      await delivery.restore('amd64');
      expect(cluster.createConfigMap.args).to.deep.equal([[expected]]);
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
