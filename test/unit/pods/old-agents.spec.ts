import { expect } from 'chai';
import sinon from 'sinon';

import { FakeCluster, FakeLogger } from '../../../fakes/index.ts';
import { ForbiddenError } from '../../../src/errors/cluster.ts';
import type { Pod } from '../../../src/kubernetes/cluster.ts';
import { OldAgents } from '../../../src/pods/old-agents.ts';
import { rejection } from '../../support/rejection.ts';

const now = new Date('2030-01-03T00:00:00Z');
const facts = { verb: 'delete', resource: 'configmaps', namespace: 'ci' };

describe('OldAgents', () => {
  let cluster: FakeCluster;
  let logger: FakeLogger;

  const oldAgents = (configMap?: 'existing') => {
    const currentNames = async () => new Set(['current']);
    return new OldAgents({ cluster, delivery: { currentNames }, configMap, logger });
  };
  const configMap = (name: string, ageMs = 86_400_001) => ({
    name,
    uid: `uid-${name}`,
    creationTimestamp: new Date(now.getTime() - ageMs),
  });
  const lists = (...configMaps: readonly ReturnType<typeof configMap>[]) =>
    cluster.listConfigMaps.resolves({ configMaps, at: now });
  const names = async () => (await oldAgents().find()).map(({ name }) => name);

  beforeEach(() => {
    cluster = new FakeCluster();
    cluster.listPods.resolves({ pods: [], resourceVersion: '1' });
    logger = new FakeLogger();
  });

  it('finds the config maps of other versions that are older than a day and that no pod mounts', async () => {
    lists(configMap('current'), configMap('old'), configMap('young', 86_400_000), configMap('older', 9e9));
    expect(await oldAgents().find()).to.deep.equal([
      { name: 'old', uid: 'uid-old', createdAt: new Date(now.getTime() - 86_400_001) },
      { name: 'older', uid: 'uid-older', createdAt: new Date(now.getTime() - 9e9) },
    ]);
    sinon.assert.calledOnceWithMatch(
      cluster.listConfigMaps,
      'app.kubernetes.io/name=kubernetes-worker-agent,app.kubernetes.io/managed-by=kubernetes-worker',
    );
  });

  it('keeps a config map that any pod of the namespace mounts, in whatever state', async () => {
    const pods: Pod[] = [
      { spec: { containers: [], volumes: [{ name: 'agent', configMap: { name: 'a' } }] } },
      { spec: { containers: [], volumes: [{ name: 'v', projected: { sources: [{ configMap: { name: 'b' } }] } }] } },
      { metadata: { deletionTimestamp: now }, spec: { containers: [], volumes: [{ name: 'x', emptyDir: {} }] } },
    ];
    cluster.listPods.withArgs('').resolves({ pods, resourceVersion: '1' });
    lists(configMap('a'), configMap('b'), configMap('c'));
    expect(await names()).to.deep.equal(['c']);
    sinon.assert.callOrder(cluster.listConfigMaps, cluster.listPods);
  });

  it('does not list pods if there is no old config map', async () => {
    lists(configMap('current'), configMap('young', 1_000));
    expect(await names()).to.deep.equal([]);
    sinon.assert.notCalled(cluster.listPods);
  });

  it('keeps all if the API server reports no time', async () => {
    cluster.listConfigMaps.resolves({ configMaps: [configMap('old')], at: undefined });
    expect(await names()).to.deep.equal([]);
  });

  it('keeps one that is being deleted, and one without a time', async () => {
    const { name, uid } = configMap('b');
    lists({ ...configMap('a'), deletionTimestamp: now } as ReturnType<typeof configMap>);
    expect(await names()).to.deep.equal([]);
    cluster.listConfigMaps.resolves({ configMaps: [{ name, uid }], at: now });
    expect(await names()).to.deep.equal([]);
  });

  it('asks for none if the worker may not create config maps', async () => {
    expect(await oldAgents('existing').find()).to.deep.equal([]);
    sinon.assert.notCalled(cluster.listConfigMaps);
  });

  it('rejects if the pods cannot be listed', async () => {
    lists(configMap('old'));
    cluster.listPods.rejects(new Error('no list'));
    expect(await rejection(oldAgents().find())).to.include({ message: 'no list' });
  });

  it('finds none, and logs it, without the permission to list', async () => {
    cluster.listConfigMaps.resolves(undefined);
    expect(await names()).to.deep.equal([]);
    sinon.assert.calledOnce(logger.debug);
    sinon.assert.notCalled(logger.warn);
  });

  it('deletes one by its uid', async () => {
    cluster.deleteConfigMap.resolves(true);
    expect(await oldAgents().remove({ name: 'a', uid: 'u', createdAt: now })).to.equal(true);
    sinon.assert.calledOnceWithMatch(cluster.deleteConfigMap, 'a', { uid: 'u' });
  });

  it('deletes none, and logs it, without the permission to delete', async () => {
    cluster.deleteConfigMap.rejects(new ForbiddenError(facts, 'forbidden'));
    expect(await oldAgents().remove({ name: 'a', uid: 'u', createdAt: now })).to.equal(false);
    sinon.assert.calledOnce(logger.debug);
    cluster.deleteConfigMap.rejects(new Error('down'));
    expect(await rejection(oldAgents().remove({ name: 'a', uid: 'u', createdAt: now }))).to.include({
      message: 'down',
    });
  });
});
