import { expect } from 'chai';

import { countRequest, cpuMsOf } from '../../../bench/pods/metered-kubectl.ts';
import { lackOfRoom, roomOf } from '../../../bench/pods/node-room.ts';

const node = (name: string, { pods = '250', ready = 'True', ...spec }: Record<string, unknown> = {}) => ({
  metadata: { name },
  spec,
  status: { allocatable: { pods: pods as string }, conditions: [{ type: 'Ready', status: ready as string }] },
});
const pod = (nodeName: string | undefined, phase: string) => ({
  spec: nodeName === undefined ? {} : { nodeName },
  status: { phase },
});

describe('the room of nodes for the pods of a benchmark', () => {
  it('is what the usable nodes accept, without the pods that they run', () => {
    const nodes = [
      node('a'),
      node('b', { pods: '110', taints: [{ effect: 'PreferNoSchedule' }] }),
      node('cordoned', { unschedulable: true }),
      node('tainted', { taints: [{ effect: 'NoSchedule' }] }),
      node('lost', { ready: 'Unknown' }),
    ];
    const pods = [
      pod('a', 'Running'),
      pod('b', 'Pending'),
      pod('a', 'Succeeded'),
      pod('b', 'Failed'),
      pod('tainted', 'Running'),
      pod(undefined, 'Pending'),
    ];
    expect(roomOf(nodes, pods)).to.deep.equal({ nodes: 2, accepted: 360, present: 2 });
  });

  it('is enough for as many pods as it has, and the lack of it is explained', () => {
    const room = { nodes: 2, accepted: 500, present: 20 };
    expect(lackOfRoom(480, room)).to.equal(undefined);
    expect(lackOfRoom(481, room)).to.equal(
      'counts: 481 pods have no room at once: the 2 usable nodes accept 500 pods and have 20, which leaves 480',
    );
  });
});

describe('the cost of kubectl', () => {
  it('has the requests in its log, and the watches among them', () => {
    const cost = { requests: 0, watches: 0 };
    const url = 'https://127.0.0.1:6443/api/v1/namespaces/ci/pods?labelSelector=a';
    for (const line of [
      'I1128 18:09:56.312280   13472 loader.go:402] Config loaded from file:  /kubeconfig',
      `I1128 18:09:56.334412   13472 round_trippers.go:632] "Response" verb="GET" url="${url}" status="200 OK" milliseconds=10`,
      `I1128 18:09:56.334412   13472 round_trippers.go:632] "Response" verb="GET" url="${url}&watch=true" status="200 OK" milliseconds=1`,
    ])
      countRequest(line, cost);
    expect(cost).to.deep.equal({ requests: 2, watches: 1 });
  });

  it('has the processor time of the user and of the system, whatever the name of the program', () => {
    expect(cpuMsOf('42 (kube) ctl) S 1 42 42 0 -1 4194560 100 0 0 0 12 5 0 0 20 0')).to.equal(170);
  });
});
