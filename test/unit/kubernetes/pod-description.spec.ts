import { expect } from 'chai';

import type { Pod, PodEvent } from '../../../src/kubernetes/cluster.ts';
import { describePod } from '../../../src/kubernetes/pod-state/pod-description.ts';

const [early, late] = [new Date('2030-01-01T00:00:00Z'), new Date('2030-01-01T00:00:01Z')];
const digest = `sha256:${'a'.repeat(64)}`;

const status = { image: 'resolved', ready: true, restartCount: 0 };

function podWith(parts: Pod): Pod {
  return { metadata: { name: 'pod', uid: 'uid' }, ...parts };
}

function eventOf(parts: Partial<PodEvent>): PodEvent {
  return { involvedObject: {}, metadata: {}, reason: 'R', message: 'm', type: 'Normal', ...parts };
}

describe('describePod', () => {
  it('describes a pod that has only been created', () => {
    expect(
      describePod(podWith({ spec: { containers: [{ name: 'main', image: 'i' }] } }), { events: [] }),
    ).to.deep.equal({
      podName: 'pod',
      podUid: 'uid',
      phase: 'Unknown',
      conditions: [],
      containers: [{ name: 'main', image: 'i', state: { kind: 'waiting' }, restarts: 0 }],
      events: [],
    });
  });

  it('has the node, the phase with its reason, the deletion and the conditions', () => {
    const description = describePod({
      metadata: { name: 'pod', uid: 'uid', deletionTimestamp: late },
      spec: { nodeName: 'node', containers: [] },
      status: {
        phase: 'Failed',
        reason: 'Evicted',
        message: 'disk',
        conditions: [
          { type: 'Ready', status: 'False', reason: 'PodFailed', message: 'ended', lastTransitionTime: early },
          { type: 'PodScheduled', status: 'True' },
        ],
      },
    });
    expect(description).to.deep.equal({
      podName: 'pod',
      podUid: 'uid',
      nodeName: 'node',
      phase: 'Failed',
      reason: 'Evicted',
      message: 'disk',
      deletedAt: late,
      conditions: [
        { type: 'Ready', status: 'False', reason: 'PodFailed', message: 'ended', changedAt: early },
        { type: 'PodScheduled', status: 'True' },
      ],
      containers: [],
    });
  });

  it('has each Kubernetes container with its requested image, its digest and its state: init containers, main, sidecars', () => {
    const terminated = { exitCode: 137, reason: 'OOMKilled', startedAt: early, finishedAt: late };
    const { containers } = describePod(
      podWith({
        spec: {
          initContainers: [{ name: 'before', image: 'b' }],
          containers: [
            { name: 'side', image: 's' },
            { name: 'main', image: 'busybox:1' },
          ],
        },
        status: {
          initContainerStatuses: [
            { ...status, name: 'before', imageID: 'sha256:local', state: { terminated: { exitCode: 0 } } },
          ],
          containerStatuses: [
            {
              ...status,
              name: 'main',
              imageID: `docker.io/library/busybox@${digest}`,
              restartCount: 2,
              state: { running: { startedAt: late } },
              lastState: { terminated },
            },
            {
              ...status,
              name: 'side',
              imageID: '',
              state: { waiting: { reason: 'ImagePullBackOff', message: 'back-off' } },
            },
          ],
        },
      }),
    );
    expect(containers).to.deep.equal([
      { name: 'before', image: 'b', state: { kind: 'terminated', termination: { exitCode: 0 } }, restarts: 0 },
      {
        name: 'main',
        image: 'busybox:1',
        imageDigest: digest,
        state: { kind: 'running', startedAt: late },
        restarts: 2,
        lastTermination: terminated,
      },
      {
        name: 'side',
        image: 's',
        state: { kind: 'waiting', reason: 'ImagePullBackOff', message: 'back-off' },
        restarts: 0,
      },
    ]);
  });

  it('has the requests and limits that are reserved for each Kubernetes container, and leaves out others', () => {
    const resources = {
      requests: { cpu: '250m', memory: '1Gi', 'example.com/gpu': '1' },
      limits: { 'ephemeral-storage': '2e9' },
    };
    const containers = [
      { name: 'main', image: 'i', resources },
      { name: 'side', image: 's', resources: { limits: { 'example.com/gpu': '1' } } },
    ];
    const [main, side] = describePod(podWith({ spec: { containers } })).containers;
    expect(main?.requests).to.deep.equal({ cpuMilli: 250, memoryBytes: 1_073_741_824 });
    expect(main?.limits).to.deep.equal({ ephemeralStorageBytes: 2_000_000_000 });
    expect(side).to.not.have.any.keys('requests', 'limits');
  });

  it('has what each Kubernetes container uses, as far as it was measured', () => {
    const containers = ['main', 'new', 'half'].map((name) => ({ name, image: 'i' }));
    const metrics = {
      containers: [
        { name: 'main', usage: { cpu: '1500001n', memory: '640Ki', 'example.com/gpu': '1' } },
        { name: 'half', usage: { cpu: '1', memory: '?' } },
      ],
    };
    const described = describePod(podWith({ spec: { containers } }), { metrics }).containers;
    expect(described.map(({ name, usage }) => [name, usage])).to.deep.equal([
      ['main', { cpuMilli: 2, memoryBytes: 655_360 }],
      ['new', undefined],
      ['half', undefined],
    ]);
  });

  it('has the events by their last time, from the older and from the newer fields', () => {
    const events = [
      eventOf({ reason: 'New', eventTime: early, series: { count: 4, lastObservedTime: late } }),
      eventOf({ reason: 'Created', metadata: { creationTimestamp: early }, reportingComponent: 'scheduler' }),
      eventOf({
        type: 'Warning',
        reason: 'Old',
        count: 3,
        firstTimestamp: early,
        lastTimestamp: new Date(late.getTime() - 1),
        source: { component: 'kubelet' },
        reportingComponent: '',
      }),
    ];
    expect(describePod(podWith({}), { events }).events).to.deep.equal([
      { type: 'Normal', reason: 'Created', message: 'm', count: 1, firstAt: early, lastAt: early, source: 'scheduler' },
      {
        type: 'Warning',
        reason: 'Old',
        message: 'm',
        count: 3,
        firstAt: early,
        lastAt: new Date(late.getTime() - 1),
        source: 'kubelet',
      },
      { type: 'Normal', reason: 'New', message: 'm', count: 4, firstAt: early, lastAt: late },
    ]);
  });
});
