import { expect } from 'chai';

import type { Pod, PodEvent } from '../../../../src/kubernetes/cluster.ts';
import { mountProblem, scheduledProblem } from '../../../../src/stores/pvc/claim-problem.ts';

describe('scheduledProblem', () => {
  const unschedulable = (message: string): Pod => ({
    status: { conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message }] },
  });

  for (const [message, kind] of [
    ['0/2 nodes are available: persistentvolumeclaim "archives" not found. not found', 'missing'],
    ['0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims. preemption: 0/2 nodes', 'unbound'],
    ['0/2 nodes are available: persistentvolumeclaim "a" bound to non-existent persistentvolume "v".', 'unbound'],
    ['0/2 nodes are available: persistentvolumeclaim "archives" is being deleted.', 'unbound'],
    [
      '0/2 nodes are available: 1 node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod',
      'in use',
    ],
  ] as const)
    it(`reads that the claim is ${kind}: ${message.slice(25, 75)}`, () => {
      expect(scheduledProblem(unschedulable(message))).to.deep.equal({ kind, detail: message });
    });

  it('has no problem with the claim where nodes lack room, or the pod has a node', () => {
    expect(scheduledProblem(unschedulable('0/2 nodes are available: 2 Insufficient cpu.'))).to.equal(undefined);
    expect(scheduledProblem({ status: { conditions: [{ type: 'PodScheduled', status: 'True' }] } })).to.equal(
      undefined,
    );
    expect(scheduledProblem({})).to.equal(undefined);
  });
});

describe('mountProblem', () => {
  const event = (reason: string, message: string, seconds: number): PodEvent => ({
    metadata: {},
    involvedObject: {},
    reason,
    message,
    lastTimestamp: new Date(seconds * 1000),
  });

  it('returns the latest event about a volume', () => {
    const events = [
      event('FailedMount', 'later', 30),
      event('FailedAttachVolume', 'Multi-Attach error for volume "v"', 10),
      event('Scheduled', 'to a node', 40),
    ];
    expect(mountProblem(events)).to.deep.equal({ kind: 'not mounted', detail: 'later' });
  });

  it('reads from an event that the claim is missing', () => {
    const detail = 'persistentvolumeclaim "archives" not found';
    expect(mountProblem([event('FailedMount', detail, 1)])).to.deep.equal({ kind: 'missing', detail });
  });

  it('returns undefined without an event about a volume', () => {
    expect(mountProblem([event('Pulling', 'image', 1)])).to.equal(undefined);
    expect(mountProblem([])).to.equal(undefined);
  });
});
