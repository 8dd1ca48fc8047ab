import { expect } from 'chai';
import sinon from 'sinon';

import { FakeCluster } from '../../../fakes/index.ts';
import type { Pod } from '../../../src/kubernetes/cluster.ts';
import { defaultLabelPrefix } from '../../../src/kubernetes/pod-spec/labels.ts';
import { PodRemover } from '../../../src/pods/pod-remover.ts';
import { rejection } from '../../support/rejection.ts';
import { untraced } from '../../support/untraced.ts';
import { settle, VirtualClock } from '../../support/virtual-clock.ts';

describe('PodRemover', () => {
  let cluster: FakeCluster;
  let clock: VirtualClock;
  let states: (Pod | undefined)[];
  let forget: sinon.SinonSpy;
  let remover: PodRemover;

  const podOf = (uid: string, handle = 'h'): Pod => ({
    metadata: { name: 'p', uid, labels: { [`${defaultLabelPrefix}/handle`]: handle } },
  });

  beforeEach(() => {
    cluster = new FakeCluster({ namespace: 'ns' });
    cluster.deletePod.resolves(true);
    clock = new VirtualClock();
    states = [undefined];
    forget = sinon.spy();
    async function* observe(
      _podName: string,
      { signal }: { signal?: AbortSignal | undefined } = {},
    ): AsyncGenerator<Pod | undefined, void, undefined> {
      yield* states;
      await new Promise((_resolve, reject) => signal?.addEventListener('abort', () => reject(signal.reason as Error)));
    }
    remover = new PodRemover({
      cluster,
      installationSelector: 'installation=i',
      watch: { observe },
      agents: { forget },
      clock,
      emit: () => undefined,
      tracing: untraced,
    });
  });

  it('deletes the pod of the known uid, and waits until it no longer exists', async () => {
    states = [podOf('u'), podOf('u'), undefined];
    expect(await remover.remove('p', 'h', { uid: 'u' })).to.equal(true);
    sinon.assert.calledOnceWithMatch(cluster.deletePod, 'p', { uid: 'u' });
    sinon.assert.notCalled(cluster.getPod);
    sinon.assert.calledOnceWithExactly(forget, 'p');
  });

  it('ends when another pod has the name', async () => {
    states = [podOf('u'), podOf('later')];
    expect(await remover.remove('p', 'h', { uid: 'u' })).to.equal(true);
  });

  it('finds the uid by the handle if it is not known', async () => {
    cluster.getPod.resolves(podOf('u'));
    expect(await remover.remove('p', 'h')).to.equal(true);
    sinon.assert.calledOnceWithMatch(cluster.deletePod, 'p', { uid: 'u' });
  });

  it('keeps a pod of another handle', async () => {
    cluster.getPod.resolves(podOf('u', 'other'));
    expect(await remover.remove('p', 'h')).to.equal(false);
    sinon.assert.notCalled(cluster.deletePod);
  });

  it('deletes a pod without the label of its handle if its name is generated for the handle', async () => {
    const handle = '8f0c2d1e-0000-4000-8000-000000000000';
    for (const [name, isOwn] of [
      ['main-unit-b1-task-8f0c2d1e', true],
      ['chosen', false],
    ] as const) {
      cluster.getPod.resolves({ metadata: { name, uid: 'u' } });
      expect(await remover.remove(name, handle)).to.equal(isOwn);
    }
    sinon.assert.calledOnceWithMatch(cluster.deletePod, 'main-unit-b1-task-8f0c2d1e', { uid: 'u' });
  });

  it('returns false if the pod no longer exists', async () => {
    cluster.deletePod.resolves(false);
    expect(await remover.remove('p', 'h', { uid: 'u' })).to.equal(false);
  });

  it('rejects if the pod still exists long after its grace period', async () => {
    states = [podOf('u')];
    const rejecting = rejection(remover.remove('p', 'h', { uid: 'u' }));
    await settle();
    await clock.advance(45_000);
    expect(await rejecting).to.include({ code: 'KW_ERR_POD_FAILED', podName: 'p' });
  });

  it('lists the pods of the installation that are not being deleted', async () => {
    const labels = { 'kubernetes-worker/handle': 'h', 'kubernetes-worker/worker': 'w' };
    cluster.listPodMetadata.withArgs(sinon.match({ labelSelector: 'installation=i' })).resolves([
      { name: 'p', uid: 'u', labels },
      { name: 'q', uid: 'v', labels, annotations: { 'kubernetes-worker/worker': 'a long name' } },
      { name: 'ending', uid: 'r', labels, deletionTimestamp: new Date(0) },
      { name: 'unmarked', uid: 's' },
      { name: 'without-worker', uid: 't', labels: { 'kubernetes-worker/handle': 'h' } },
      { name: 'store-c', uid: 'x', labels: { 'kubernetes-worker/store': 'c', 'kubernetes-worker/worker': 'w' } },
    ]);
    expect(await remover.list()).to.deep.equal([
      { podName: 'p', workerName: 'w', handle: 'h', uid: 'u', isStore: false },
      { podName: 'q', workerName: 'a long name', handle: 'h', uid: 'v', isStore: false },
      { podName: 'store-c', workerName: 'w', handle: 'store-c', uid: 'x', isStore: true },
    ]);
  });

  describe('findMissing', () => {
    const some = (count: number) => Array.from({ length: count }, (_, index) => ({ podName: `p${index}` }));
    const listed = (...names: readonly string[]) => names.map((name) => ({ name, uid: `uid of ${name}` }));

    it('compares names and uids with one list of all pods, whatever their labels', async () => {
      cluster.listPodMetadata.resolves(listed('a', 'b', 'c'));
      const pods = [
        { podName: 'a' },
        { podName: 'b', uid: 'uid of b' },
        { podName: 'c', uid: 'an earlier one' },
        { podName: 'd' },
        { podName: 'e', uid: 'u' },
      ];
      expect(await remover.findMissing(pods)).to.deep.equal([false, false, true, true, true]);
      sinon.assert.calledOnce(cluster.listPodMetadata);
      expect(cluster.listPodMetadata.args[0]?.[0]?.labelSelector).to.equal(undefined);
      expect(forget.args.flat()).to.deep.equal(['d', 'e']);
    });

    it('lists again for each call', async () => {
      cluster.listPodMetadata.onFirstCall().resolves([]).onSecondCall().resolves(listed('p0'));
      await remover.findMissing(some(5));
      expect(await remover.findMissing(some(5))).to.deep.equal([false, true, true, true, true]);
    });

    it('decides nothing for a few pods, which are read one by one', async () => {
      expect(await remover.findMissing(some(4))).to.deep.equal(Array(4).fill(false));
      sinon.assert.notCalled(cluster.listPodMetadata);
    });

    it('decides nothing for some of very many pods', async () => {
      cluster.listPodMetadata.resolves(listed(...some(1_000).map(({ podName }) => `other-${podName}`)));
      expect(await remover.findMissing(some(5))).to.deep.equal(Array(5).fill(true));
      expect(await remover.findMissing(some(39))).to.deep.equal(Array(39).fill(false));
      sinon.assert.calledOnce(cluster.listPodMetadata);
      expect(await remover.findMissing(some(40))).to.deep.equal(Array(40).fill(true));
    });

    it('rejects if the pods cannot be listed', async () => {
      cluster.listPodMetadata.rejects(new Error('no list'));
      expect(await rejection(remover.findMissing(some(5)))).to.include({ message: 'no list' });
    });
  });

  it('sends at most 20 deletions at once, and waits for any number of pods', async () => {
    const answers: (() => void)[] = [];
    cluster.deletePod.callsFake(async () => {
      await new Promise<void>((resolve) => answers.push(resolve));
      return true;
    });
    const removing = Array.from({ length: 50 }, (_, index) => remover.remove(`p${index}`, 'h', { uid: `u${index}` }));
    await settle();
    expect(answers).to.have.length(20);
    while (answers.length > 0) {
      answers.shift()?.();
      await settle();
    }
    expect(await Promise.all(removing)).to.have.length(50);
  });

  it('deletes a pod with a grace period, and does not wait for its end', async () => {
    states = [podOf('u')];
    expect(await remover.delete('p', 'h', { uid: 'u', gracePeriodSeconds: 0 })).to.equal('u');
    sinon.assert.calledOnceWithMatch(cluster.deletePod, 'p', { uid: 'u', gracePeriodSeconds: 0 });
    sinon.assert.calledOnceWithExactly(forget, 'p');
  });
});
