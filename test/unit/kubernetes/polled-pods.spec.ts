import { setImmediate } from 'node:timers/promises';

import { expect } from 'chai';

import { FakeCluster } from '../../../fakes/index.ts';
import { ApiUnavailableError } from '../../../src/errors/cluster.ts';
import type { Pod } from '../../../src/kubernetes/cluster.ts';
import { PodWatch } from '../../../src/kubernetes/pod-state/pod-watch.ts';
import { polling } from '../../../src/kubernetes/pod-state/polled-pods.ts';
import { silentLogger } from '../../support/silent-logger.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

function pod(name: string, version: number, phase = 'Running'): Pod {
  return { metadata: { name, uid: `uid-${name}`, resourceVersion: String(version) }, status: { phase } };
}

describe('a pod watch that polls', () => {
  let pods: Map<string, Pod>;
  let cluster: FakeCluster;
  let clock: VirtualClock;
  let watch: PodWatch;

  beforeEach(() => {
    pods = new Map();
    cluster = new FakeCluster();
    cluster.listPods.callsFake(async () => ({ pods: [...pods.values()], resourceVersion: '1' }));
    cluster.getPod.callsFake(async (name) => pods.get(name));
    clock = new VirtualClock();
    watch = new PodWatch(polling({ cluster, labelSelector: 'worker=w', clock, logger: silentLogger }));
  });

  afterEach(async () => {
    watch.close();
    await setImmediate();
    expect(clock.sleeping).to.equal(0);
    expect(cluster.watchPods.callCount).to.equal(0);
  });

  type Observation = AsyncGenerator<Pod | undefined, void, undefined>;
  const next = async (observation: Observation): Promise<string | undefined> => {
    const { value } = await observation.next();
    return value === undefined ? undefined : `${value.metadata?.resourceVersion ?? ''} ${value.status?.phase ?? ''}`;
  };

  it('yields the current state at once, and each later state within about a second, without a watch', async () => {
    pods.set('a', pod('a', 1, 'Pending'));
    const a = watch.observe('a');
    expect(await next(a)).to.equal('1 Pending');
    for (const version of [2, 3, 4]) {
      pods.set('a', pod('a', version));
      const change = next(a);
      await clock.advance(1_200);
      expect(await change).to.equal(`${version} Running`);
    }
  });

  it('never loses the last state, also of a pod that no longer exists', async () => {
    pods.set('a', pod('a', 1));
    pods.set('b', pod('b', 1));
    const [a, b] = [watch.observe('a'), watch.observe('b')];
    await Promise.all([next(a), next(b)]);
    pods.set('a', pod('a', 2, 'Failed'));
    pods.delete('b');
    const last = Promise.all([next(a), next(b)]);
    await clock.advance(1_200);
    expect(await last).to.deep.equal(['2 Failed', undefined]);
    expect(cluster.getPod.args.map(([name]) => name)).to.deep.equal(['b']);
  });

  it('sends one list a second for any number of observers, and no request without one', async () => {
    await clock.advance(60_000);
    expect(cluster.listPods.callCount).to.equal(0);
    const observations = Array.from({ length: 20 }, (_, index) => {
      pods.set(`p-${index}`, pod(`p-${index}`, 1));
      return watch.observe(`p-${index}`);
    });
    await Promise.all(observations.map(next));
    expect(cluster.listPods.callCount).to.equal(1);
    await clock.advance(60_000);
    expect(cluster.listPods.callCount).to.be.within(50, 61);
    const waiting = observations.map(async (observation) => await observation.next());
    for (const observation of observations) void observation.return();
    for (let index = 0; index < observations.length; index += 1) pods.set(`p-${index}`, pod(`p-${index}`, 2));
    await clock.advance(2_000);
    await Promise.all(waiting);
    cluster.listPods.resetHistory();
    await clock.advance(60_000);
    expect(cluster.listPods.callCount).to.equal(0);
    expect(cluster.getPod.callCount).to.equal(0);
  });

  it('yields nothing while lists fail, lists less often then, and continues afterwards', async () => {
    pods.set('a', pod('a', 1));
    const a = watch.observe('a');
    await next(a);
    const facts = { verb: 'list', resource: 'pods', namespace: 'ci' };
    cluster.listPods.rejects(new ApiUnavailableError(facts, 'down', 503));
    cluster.listPods.resetHistory();
    const change = next(a);
    await clock.advance(600_000);
    expect(cluster.listPods.callCount).to.be.within(20, 60);
    pods.set('a', pod('a', 2, 'Failed'));
    cluster.listPods.callsFake(async () => ({ pods: [...pods.values()], resourceVersion: '1' }));
    await clock.advance(30_000);
    expect(await change).to.equal('2 Failed');
  });
});
