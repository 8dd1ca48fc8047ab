import type { V1PodSpec } from '@kubernetes/client-node';
import { expect } from 'chai';
import { type PodFacts, podStatus } from '../../../../src/embedded/kubelet/pod-status.ts';
import { unschedulableReason } from '../../../../src/embedded/kubelet/scheduling.ts';
import type { ContainerStatus, Pod } from '../../../../src/embedded/objects/api-object.ts';

const NODE = { name: 'here', labels: { 'kubernetes.io/arch': 'amd64', zone: '3' }, cpuCores: 2, memoryBytes: 2 ** 30 };

function pod(spec: Partial<V1PodSpec> = {}): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', namespace: 'n', uid: 'u', resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: { containers: [{ name: 'main', image: 'x' }], ...spec },
    status: { phase: 'Pending' },
  };
}

describe('unschedulableReason', () => {
  const affinity = (key: string, operator: string, values: string[] = []): Partial<V1PodSpec> => ({
    affinity: {
      nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: {
          nodeSelectorTerms: [{ matchExpressions: [{ key, operator, values }] }],
        },
      },
    },
  });
  const requests = (name: string, value: string): Partial<V1PodSpec> => ({
    containers: [{ name: 'a', image: 'x', resources: { requests: { [name]: value } } }],
  });
  const fitting: readonly (readonly [string, Partial<V1PodSpec>])[] = [
    ['asks for nothing', {}],
    ['selects a label of the node', { nodeSelector: { 'kubernetes.io/arch': 'amd64' } }],
    ['has an affinity that fits', affinity('kubernetes.io/arch', 'In', ['arm64', 'amd64'])],
    ['wants a label to be absent', affinity('gpu', 'DoesNotExist')],
    ['compares numbers', affinity('zone', 'Gt', ['2'])],
    ['asks for what there is', requests('cpu', '2')],
  ];
  for (const [name, spec] of fitting) {
    it(`finds a place for a pod that ${name}`, () => {
      expect(unschedulableReason(pod(spec), NODE)).to.equal(undefined);
    });
  }
  const tooMuch: readonly (readonly [string, Partial<V1PodSpec>, string])[] = [
    ['selects another label', { nodeSelector: { a: 'b' } }, "1 node(s) didn't match Pod's node affinity/selector"],
    [
      'has an affinity that does not fit',
      affinity('kubernetes.io/arch', 'NotIn', ['amd64']),
      "1 node(s) didn't match Pod's node affinity/selector",
    ],
    ['asks for too many processors', requests('cpu', '2500m'), '1 Insufficient cpu'],
    ['asks for too much memory', requests('memory', '2Gi'), '1 Insufficient memory'],
  ];
  for (const [name, spec, reason] of tooMuch) {
    it(`finds none for a pod that ${name}`, () => {
      expect(unschedulableReason(pod(spec), NODE))
        .to.match(/^0\/1 nodes are available: /)
        .and.to.include(reason);
    });
  }
});

describe('podStatus', () => {
  const status = (
    name: string,
    state: ContainerStatus['state'],
    more: Partial<ContainerStatus> = {},
  ): ContainerStatus => ({
    name,
    state,
    lastState: {},
    ready: state.running !== undefined,
    restartCount: 0,
    image: 'x',
    imageID: '',
    started: state.running !== undefined,
    ...more,
  });
  const running = { running: { startedAt: '' } };
  const ended = (exitCode: number) => ({ terminated: { exitCode, reason: '', startedAt: '', finishedAt: '' } });
  const waiting = { waiting: { reason: 'ContainerCreating' } };
  const facts = (
    spec: Partial<V1PodSpec>,
    statuses: ContainerStatus[],
    initStatuses: ContainerStatus[] = [],
  ): PodFacts => ({
    pod: pod(spec),
    statuses,
    initStatuses,
    sandboxReady: true,
    startTime: '',
    failure: undefined,
    now: 'now',
  });
  const cases: readonly (readonly [string, PodFacts, string])[] = [
    ['Pending while a container has not begun', facts({}, [status('a', waiting)]), 'Pending'],
    ['Running when all have begun', facts({}, [status('a', running)]), 'Running'],
    [
      'Running while one waits to be started again',
      facts({}, [status('a', waiting, { lastState: ended(1) })]),
      'Running',
    ],
    [
      'Running when a container that is always restarted has ended',
      facts({ restartPolicy: 'Always' }, [status('a', ended(0))]),
      'Running',
    ],
    [
      'Succeeded when all have ended well',
      facts({ restartPolicy: 'Never' }, [status('a', ended(0)), status('b', ended(0))]),
      'Succeeded',
    ],
    [
      'Failed when one has ended badly',
      facts({ restartPolicy: 'Never' }, [status('a', ended(0)), status('b', ended(3))]),
      'Failed',
    ],
    [
      'Pending while an init container runs',
      facts({ initContainers: [{ name: 'i' }] }, [status('a', waiting)], [status('i', running)]),
      'Pending',
    ],
    [
      'Failed when an init container has failed for good',
      facts(
        { restartPolicy: 'Never', initContainers: [{ name: 'i' }] },
        [status('a', waiting)],
        [status('i', ended(1))],
      ),
      'Failed',
    ],
    [
      'Running beside a sidecar that runs',
      facts(
        { initContainers: [{ name: 'i', restartPolicy: 'Always' }] },
        [status('a', running)],
        [status('i', running)],
      ),
      'Running',
    ],
  ];
  for (const [name, given, phase] of cases) {
    it(`is ${name}`, () => {
      expect(podStatus(given).phase).to.equal(phase);
    });
  }

  it('names the containers that are not ready', () => {
    const condition = podStatus(facts({}, [status('a', running), status('b', waiting)])).conditions?.find(
      ({ type }) => type === 'Ready',
    );
    expect(condition).to.include({
      status: 'False',
      reason: 'ContainersNotReady',
      message: 'containers with unready status: [b]',
    });
  });

  it('keeps the time of a condition that has not changed', () => {
    const before = podStatus(facts({}, [status('a', running)]));
    const later = podStatus({ ...facts({}, [status('a', running)]), pod: { ...pod(), status: before }, now: 'later' });
    expect(later.conditions?.every(({ lastTransitionTime }) => lastTransitionTime === 'now')).to.equal(true);
  });
});
