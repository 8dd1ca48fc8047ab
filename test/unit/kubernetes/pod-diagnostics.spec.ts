import { expect } from 'chai';

import type { KubernetesNode, Pod } from '../../../src/kubernetes/cluster.ts';
import { formatDiagnostics, type NodeFindings } from '../../../src/kubernetes/pod-state/pod-diagnostics.ts';

type Status = NonNullable<Pod['status']>;
type ContainerStatus = NonNullable<Status['containerStatuses']>[number];

const place = { namespace: 'ci', podName: 'p' };
const ready = { type: 'Ready', status: 'True', reason: 'KubeletReady' };

function plain(text: string): string {
  return text;
}

function podWith(status: Status, metadata: Pod['metadata'] = {}): Pod {
  const names = [...(status.containerStatuses ?? [])].map(({ name }) => ({ name }));
  const initNames = (status.initContainerStatuses ?? []).map(({ name }) => ({ name }));
  return { metadata, spec: { nodeName: 'n', containers: names, initContainers: initNames }, status };
}

function container(status: Partial<ContainerStatus>): ContainerStatus {
  return { name: 'main', image: 'i', imageID: '', ready: false, restartCount: 0, ...status };
}

function linesOf(pod: Pod | undefined, absence?: string): string[] {
  return formatDiagnostics({ ...place, pod, absence }, plain).split('\n');
}

function nodeLines(state: NodeFindings['state'], show = plain): string[] {
  const text = formatDiagnostics(
    { ...place, pod: undefined, absence: 'no longer exists', node: { name: 'n', state } },
    show,
  );
  return text.split('\n').slice(1);
}

describe('formatDiagnostics', () => {
  describe('of a pod', () => {
    const rows: readonly (readonly [string, Status, readonly string[]])[] = [
      ['its phase', { phase: 'Pending' }, ['  phase: Pending']],
      [
        'its reason and its message',
        { phase: 'Failed', reason: 'Evicted', message: 'low on memory' },
        ['  phase: Failed', '  reason: Evicted', '  message: low on memory'],
      ],
      [
        'conditions that are False or have a reason, and no others',
        {
          phase: 'Running',
          conditions: [
            { type: 'PodScheduled', status: 'True' },
            { type: 'Ready', status: 'False', reason: 'ContainersNotReady', message: 'unready: [main]' },
            { type: 'ContainersReady', status: 'False' },
            { type: 'DisruptionTarget', status: 'True', reason: 'TerminationByKubelet', message: 'disk' },
          ],
        },
        [
          '  phase: Running',
          '  condition Ready: False, ContainersNotReady: unready: [main]',
          '  condition ContainersReady: False',
          '  condition DisruptionTarget: True, TerminationByKubelet: disk',
        ],
      ],
      [
        'a container that waits',
        {
          phase: 'Pending',
          containerStatuses: [container({ state: { waiting: { reason: 'ImagePullBackOff', message: 'Back-off' } } })],
        },
        ['  phase: Pending', '  container main: waiting, ImagePullBackOff: Back-off'],
      ],
      [
        'a container that has ended, with its exit code and its message',
        {
          phase: 'Failed',
          containerStatuses: [
            container({ state: { terminated: { exitCode: 137, reason: 'Error', message: 'one\ntwo\r\n' } } }),
          ],
        },
        ['  phase: Failed', '  container main: ended with exit code 137, Error: one', '    two'],
      ],
      [
        'restarts, and the run before',
        {
          phase: 'Running',
          containerStatuses: [
            container({
              name: 'db',
              restartCount: 2,
              state: { running: {} },
              lastState: { terminated: { exitCode: 1, message: 'no space' } },
            }),
            container({ restartCount: 1, state: { running: {} } }),
          ],
        },
        [
          '  phase: Running',
          '  container main: running',
          '  container main: restarted 1 time',
          '  container db: running',
          '  container db: restarted 2 times',
          '  container db: its run before ended with exit code 1: no space',
        ],
      ],
      [
        'init containers first',
        {
          phase: 'Pending',
          initContainerStatuses: [container({ name: 'mesh', state: { terminated: { exitCode: 2, reason: 'Error' } } })],
          containerStatuses: [container({ state: { waiting: { reason: 'PodInitializing' } } })],
        },
        [
          '  phase: Pending',
          '  container mesh: ended with exit code 2, Error',
          '  container main: waiting, PodInitializing',
        ],
      ],
    ];
    for (const [what, status, expected] of rows) {
      it(`has ${what}`, () => {
        expect(linesOf(podWith(status))).to.deep.equal(['pod ci/p:', '  node: n', ...expected]);
      });
    }

    it('states that the pod has no node, and that its deletion was requested', () => {
      const deletionTimestamp = new Date('2030-01-01T00:00:00Z');
      expect(linesOf({ metadata: { deletionTimestamp }, status: { phase: 'Pending' } })).to.deep.equal([
        'pod ci/p:',
        '  node: not assigned',
        '  phase: Pending',
        '  deletion: requested, to end by 2030-01-01T00:00:00.000Z',
      ]);
    });

    it('that no longer exists is one line, followed by the last known state if there is one', () => {
      expect(linesOf(undefined, 'no longer exists')).to.deep.equal(['pod ci/p no longer exists']);
      expect(linesOf(podWith({ phase: 'Running' }), 'no longer exists')).to.deep.equal([
        'pod ci/p no longer exists; its last known state:',
        '  node: n',
        '  phase: Running',
      ]);
    });
  });

  describe('of a node', () => {
    const pressure = { type: 'MemoryPressure', status: 'True', reason: 'Low', message: 'no memory' };
    const labelled = (labels: Record<string, string>): KubernetesNode => ({
      metadata: { labels },
      status: { conditions: [ready] },
    });
    const rows: readonly (readonly [string, NodeFindings['state'], readonly string[]])[] = [
      [
        'that is healthy is one line',
        { status: { conditions: [ready, { ...pressure, status: 'False' }] } },
        ['node n: ready, without pressure'],
      ],
      ['that no longer exists is one line', 'no longer exists', ['node n no longer exists']],
      ['has pressure', { status: { conditions: [pressure, ready] } }, ['node n:', '  MemoryPressure, Low: no memory']],
      [
        'has a Ready condition that is not True',
        {
          status: {
            conditions: [{ ...ready, status: 'Unknown', reason: 'NodeStatusUnknown', message: 'Kubelet stopped' }],
          },
        },
        ['node n:', '  not ready (Unknown), NodeStatusUnknown: Kubelet stopped'],
      ],
      [
        'has its cordon',
        { spec: { unschedulable: true }, status: { conditions: [ready] } },
        ['node n:', '  cordoned: it accepts no new pods, and may be drained'],
      ],
      ['without a condition is not ready', {}, ['node n:', '  not ready (no condition)']],
      ...(
        [
          ['cloud.google.com/gke-spot', 'true'],
          ['cloud.google.com/gke-preemptible', 'true'],
          ['kubernetes.azure.com/scalesetpriority', 'spot'],
          ['eks.amazonaws.com/capacityType', 'SPOT'],
          ['karpenter.sh/capacity-type', 'spot'],
        ] as const
      ).map(
        ([label, value]) =>
          [
            `with ${label}=${value} may be taken back`,
            labelled({ [label]: value }),
            ['node n:', `  spot or preemptible instance (${label}=${value})`],
          ] as const,
      ),
      [
        'with the same label for a regular instance is healthy',
        labelled({ 'kubernetes.azure.com/scalesetpriority': 'regular', 'eks.amazonaws.com/capacityType': 'ON_DEMAND' }),
        ['node n: ready, without pressure'],
      ],
    ];
    for (const [what, state, expected] of rows) {
      it(what, () => {
        expect(nodeLines(state)).to.deep.equal(expected);
      });
    }
  });

  describe('of messages', () => {
    const messageOf = (message: string, show = plain): string =>
      formatDiagnostics({ ...place, pod: podWith({ phase: 'Failed', message }) }, show).split('message: ')[1] ?? '';

    it('escapes control characters, which a terminal would interpret', () => {
      expect(messageOf('\u001b[31mred')).to.equal('\\u{1b}[31mred');
    });

    it('masks each message whole, then cuts it at 4 KiB', () => {
      const secret = 'x'.repeat(10);
      const long = `${'é'.repeat(2044)}${secret}`;
      expect(messageOf(long, (text) => text.replaceAll(secret, '***'))).to.equal(`${'é'.repeat(2044)}***`);
      const cut = messageOf('é'.repeat(5_000));
      expect(cut).to.match(/^é+…$/);
      expect(Buffer.byteLength(cut)).to.be.within(4_090, 4_096);
    });
  });
});
