import { expect } from 'chai';
import sinon from 'sinon';

import { FakeCluster, FakePlacementQueries, FakeReservationRepository } from '../../../fakes/index.ts';
import { ApiUnavailableError, ForbiddenError } from '../../../src/errors/cluster.ts';
import type { KubernetesNode, Pod } from '../../../src/kubernetes/cluster.ts';
import { Placement } from '../../../src/placement/placement.ts';
import { rejection } from '../../support/rejection.ts';

describe('Placement', () => {
  let cluster: FakeCluster;
  let queries: FakePlacementQueries;
  let reservations: FakeReservationRepository;
  let emit: sinon.SinonSpy;
  let placement: Placement;
  let pods: Pod[];

  const call = { verb: 'list', resource: 'nodes', namespace: 'ci' };
  const pod = (
    name: string,
    phase: string,
    rest: { nodeName?: string; deletionTimestamp?: Date; zone?: string } = {},
  ) => ({
    metadata: {
      name,
      ...(rest.deletionTimestamp === undefined ? {} : { deletionTimestamp: rest.deletionTimestamp }),
      labels: {
        'kubernetes-worker/handle': `h-${name}`,
        ...(rest.zone === undefined ? {} : { 'topology.kubernetes.io/zone': rest.zone }),
      },
    },
    spec: {
      nodeName: rest.nodeName ?? 'n1',
      containers: [{ name: 'main', resources: { requests: { cpu: '250m', memory: '64Mi' } } }],
    },
    status: { phase },
  });
  const node = (name: string, zone: string, ready: string, unschedulable = false): KubernetesNode => ({
    metadata: { name, labels: { 'topology.kubernetes.io/zone': zone } },
    spec: { unschedulable },
    status: {
      capacity: { cpu: '4', memory: '8Gi', 'ephemeral-storage': '1Ti' },
      allocatable: { cpu: '3900m', memory: '7Gi', 'ephemeral-storage': '1T' },
      conditions: [{ type: 'Ready', status: ready }],
    },
  });

  beforeEach(() => {
    cluster = new FakeCluster({ namespace: 'ci' });
    queries = new FakePlacementQueries();
    reservations = new FakeReservationRepository();
    emit = sinon.spy();
    pods = [];
    cluster.listPods.callsFake(async () => ({ pods, resourceVersion: '1' }));
    cluster.listNodes.resolves([node('n1', 'b', 'True'), node('n2', 'a', 'Unknown'), node('n3', 'a', 'True', true)]);
    cluster.listResourceQuotas.resolves([]);
    queries.countLive.resolves({ containers: 3, volumes: 9 });
    placement = new Placement({
      workerName: 'w',
      cluster,
      labelSelector: 'worker=w',
      repository: { placement: queries, reservations },
      podOf: ({ store, location: { pod: podName = '' } }) =>
        store === 'pod' ? { podName, handle: `h-${podName}` } : undefined,
      hasArchiveStore: (name) => name === 'archives',
      newId: () => 'new-id',
      emit,
    });
  });

  context('facts', () => {
    it('sum all nodes, and what the ready ones have for pods', async () => {
      expect((await placement.facts({})).nodes).to.deep.equal({
        count: 3,
        ready: 1,
        zones: ['a', 'b'],
        capacity: { cpuMilli: 12_000, memoryBytes: 3 * 2 ** 33, ephemeralStorageBytes: 3 * 2 ** 40 },
        allocatable: { cpuMilli: 3_900, memoryBytes: 7 * 2 ** 30, ephemeralStorageBytes: 1e12 },
      });
    });

    it('count the pods that have not ended, and what they request', async () => {
      pods = [pod('a', 'Running'), pod('b', 'Pending'), pod('c', 'Succeeded'), pod('d', 'Failed')];
      const facts = await placement.facts({});
      expect(facts).to.deep.include({ activePods: 2, activeContainers: 3, activeVolumes: 9, missing: [] });
      expect(facts.requested).to.deep.include({ cpuMilli: 500, memoryBytes: 2 ** 27 });
      sinon.assert.calledOnceWithMatch(cluster.listPods, 'worker=w');
    });

    it('have the quotas, with CPU in millicores', async () => {
      const hard = { 'requests.cpu': '2', 'limits.memory': '4Gi', pods: '10', cpu: '1' };
      const used = { 'requests.cpu': '500m', 'limits.memory': '1Gi', pods: '2', cpu: '0' };
      cluster.listResourceQuotas.resolves([{ metadata: { name: 'q' }, spec: { hard }, status: { hard, used } }]);
      expect((await placement.facts({})).quotas).to.deep.equal([
        {
          name: 'q',
          hard: { 'requests.cpu': 2000, 'limits.memory': 2 ** 32, pods: 10, cpu: 1000 },
          used: { 'requests.cpu': 500, 'limits.memory': 2 ** 30, pods: 2, cpu: 0 },
        },
      ]);
    });

    it('lack what the credentials may not read, with the reason', async () => {
      cluster.listNodes.rejects(new ForbiddenError(call, 'no nodes'));
      cluster.listResourceQuotas.rejects(new ForbiddenError(call, 'no quotas'));
      const { nodes, quotas, missing, activeContainers } = await placement.facts({});
      expect({ nodes, quotas, activeContainers }).to.deep.equal({
        nodes: undefined,
        quotas: undefined,
        activeContainers: 3,
      });
      expect(missing.map(({ what }) => what)).to.have.members(['nodes', 'quotas']);
      expect(missing.find(({ what }) => what === 'nodes')?.reason).to.include('no nodes');
    });

    it('reject if the API server does not answer', async () => {
      cluster.listNodes.rejects(new ApiUnavailableError(call, 'away', 503));
      expect(await rejection(placement.facts({}))).to.be.instanceOf(ApiUnavailableError);
    });
  });

  context('locality', () => {
    const place = (handle: string, podName: string, sizeBytes?: number, store = 'pod') => ({
      handle,
      store,
      location: { pod: podName },
      sizeBytes,
    });
    const nowhere = { isReachable: false, nodeName: undefined, zone: undefined, sizeBytes: undefined };

    it('has the node, the zone and the size of what runs, in the order of the call, and counts it once', async () => {
      // The node may report the phase of a pod whose agent answers later.
      pods = [pod('p1', 'Pending'), pod('p2', 'Running', { nodeName: 'n2', zone: 'own' })];
      queries.findPlaces.resolves([place('b', 'p2'), place('a', 'p1', 700), place('c', 'p1', 40)]);
      expect(await placement.locality(['a', 'b', 'none', 'c', 'a'], {})).to.deep.equal({
        artifacts: [
          { handle: 'a', isReachable: true, nodeName: 'n1', zone: 'b', sizeBytes: 700 },
          { handle: 'b', isReachable: true, nodeName: 'n2', zone: 'own', sizeBytes: undefined },
          { handle: 'none', ...nowhere },
          { handle: 'c', isReachable: true, nodeName: 'n1', zone: 'b', sizeBytes: 40 },
          { handle: 'a', isReachable: true, nodeName: 'n1', zone: 'b', sizeBytes: 700 },
        ],
        reachable: 3,
        reachableBytes: 740,
      });
      sinon.assert.calledOnceWithMatch(queries.findPlaces, 'w', ['a', 'b', 'none', 'c']);
    });

    it('does not reach what is in no pod, or in one that has ended, ends, or belongs to another handle', async () => {
      pods = [
        pod('ended', 'Failed'),
        pod('ending', 'Running', { deletionTimestamp: new Date(0) }),
        { ...pod('other', 'Running'), metadata: { name: 'other', labels: { 'kubernetes-worker/handle': 'x' } } },
        pod('fine', 'Running'),
      ];
      queries.findPlaces.resolves([
        ...['ended', 'ending', 'other', 'gone'].map((name) => place(name, name, 1)),
        place('elsewhere', 'fine', 1, 's3'),
      ]);
      const handles = ['ended', 'ending', 'other', 'gone', 'elsewhere'];
      expect(await placement.locality(handles, {})).to.deep.equal({
        artifacts: handles.map((handle) => ({ handle, ...nowhere })),
        reachable: 0,
        reachableBytes: 0,
      });
    });

    it('reaches what has an archive in a store of the worker, without a pod and from every node', async () => {
      pods = [];
      queries.findPlaces.resolves([
        { ...place('saved', 'gone', 5), archiveStore: 'archives' },
        { ...place('elsewhere', 'gone', 1), archiveStore: 'unknown' },
      ]);
      expect(await placement.locality(['saved', 'elsewhere'], {})).to.deep.equal({
        artifacts: [
          { handle: 'saved', ...nowhere, isReachable: true, sizeBytes: 5 },
          { handle: 'elsewhere', ...nowhere },
        ],
        reachable: 1,
        reachableBytes: 5,
      });
    });

    it('has no zone if nodes may not be listed, and sends no request without a volume', async () => {
      cluster.listNodes.rejects(new ForbiddenError(call, 'no'));
      queries.findPlaces.resolves([]);
      await placement.locality(['a'], {});
      sinon.assert.notCalled(cluster.listPods);
      pods = [pod('p1', 'Running')];
      queries.findPlaces.resolves([place('a', 'p1')]);
      const { artifacts } = await placement.locality(['a'], {});
      expect(artifacts[0]).to.include({ isReachable: true, nodeName: 'n1', zone: undefined });
    });
  });

  context('a reservation', () => {
    const request = { kind: 'build', limit: 2, ttlMs: 1_000 };
    const key = { workerName: 'w', kind: 'build', id: 'new-id' };

    it('is undefined if the limit is reached', async () => {
      reservations.reserve.resolves(undefined);
      expect(await placement.reserve(request, {})).to.equal(undefined);
      sinon.assert.calledOnceWithMatch(reservations.reserve, { ...key, limit: 2, ttlMs: 1_000 });
    });

    it('is refused, and not counted, for the kinds of the library itself', async () => {
      const error = await rejection(placement.reserve({ ...request, kind: 'kubernetes-worker/x' }, {}));
      expect(error).to.include({ code: 'KW_ERR_INVALID_SPEC', field: 'kind' });
      sinon.assert.notCalled(reservations.reserve);
      const build = { kind: 'build', count: 2 };
      reservations.count.resolves([build, { kind: 'kubernetes-worker/controllers', count: 1 }]);
      expect(await placement.reservations({})).to.deep.equal([build]);
    });

    it('is renewed for its time, until it has lapsed', async () => {
      reservations.reserve.resolves(new Date(1));
      const reservation = (await placement.reserve({ ...request, id: 'mine' }, {}))!;
      expect(reservation).to.include({ kind: 'build', id: 'mine' });
      reservations.renew.onFirstCall().resolves(new Date(2));
      reservations.renew.onSecondCall().resolves(undefined);
      expect(await reservation.renew()).to.equal(true);
      expect(reservation.expiresAt).to.deep.equal(new Date(2));
      expect(await reservation.renew()).to.equal(false);
      sinon.assert.alwaysCalledWithMatch(reservations.renew, { ...key, id: 'mine' }, 1_000);
    });

    it('reports released capacity when it is released or disposed of, if it still lived', async () => {
      reservations.reserve.resolves(new Date(1));
      reservations.release.onFirstCall().resolves(true);
      reservations.release.onSecondCall().resolves(false);
      {
        await using reservation = await placement.reserve(request, {});
        expect(reservation).not.to.equal(undefined);
      }
      sinon.assert.calledOnceWithExactly(emit, { kind: 'capacity-released', by: 'reservation', name: 'build' });
      await (await placement.reserve(request, {}))?.release();
      sinon.assert.calledOnce(emit);
    });
  });
});
