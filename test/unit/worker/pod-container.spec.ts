import { expect } from 'chai';

import { FakeCluster } from '../../../fakes/index.ts';
import type { ContainerRecord } from '../../../src/repository/records.ts';
import { PodContainer, type PodContainerComponents } from '../../../src/worker/pod-container.ts';
import { rejection } from '../../support/rejection.ts';
import { podOf } from '../../support/scripted-pod.ts';

const record: ContainerRecord = {
  handle: 'box',
  workerName: 'worker',
  owner: { kind: 'step', key: '1' },
  state: 'created',
  podName: 'pod',
  podUid: 'uid',
  metadata: {},
  settings: {},
  lastHijackAt: undefined,
  createdAt: new Date(0),
};

describe('PodContainer.describe', () => {
  let cluster: FakeCluster;

  beforeEach(() => {
    cluster = new FakeCluster({ namespace: 'ci' });
    cluster.getPod.resolves(podOf('running'));
  });

  const containerOf = (changes: Partial<ContainerRecord> = {}, podIsMissing = false): PodContainer =>
    new PodContainer({ ...record, ...changes }, { isLookedUp: true, podIsMissing }, {
      cluster,
    } as unknown as PodContainerComponents);

  it('describes the pod with the events of its uid, also if the uid is not yet in the record', async () => {
    cluster.podEvents.resolves([{ involvedObject: {}, metadata: {}, reason: 'Started' }]);
    for (const podUid of ['uid', undefined]) {
      const { phase, events } = await containerOf({ podUid }).describe();
      expect([phase, events?.map(({ reason }) => reason)]).to.deep.equal(['Running', ['Started']]);
      expect(cluster.podEvents.lastCall.args.slice(0, 2)).to.deep.equal(['pod', 'uid']);
    }
  });

  it('has no events if they may not be read', async () => {
    cluster.podEvents.resolves(undefined);
    expect(await containerOf().describe())
      .to.include({ podName: 'pod' })
      .and.to.not.have.property('events');
  });

  it('rejects with CONTAINER_DISAPPEARED if the pod no longer exists, or if another pod has its name', async () => {
    const disappeared = { code: 'KW_ERR_CONTAINER_DISAPPEARED', handle: 'box', workerName: 'worker' };
    expect(await rejection(containerOf({ podUid: 'another' }).describe())).to.include(disappeared);
    expect(await rejection(containerOf({}, true).describe())).to.include(disappeared);
    expect(cluster.getPod.callCount).to.equal(1);
    cluster.getPod.resolves(undefined);
    expect(await rejection(containerOf().describe())).to.include(disappeared);
    expect(cluster.podEvents.callCount).to.equal(0);
  });
});
