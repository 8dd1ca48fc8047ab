import type { V1PodSpec } from '@kubernetes/client-node';
import { expect } from 'chai';
import { type PodFacts, podStatus } from '../../../../src/embedded/kubelet/pod-status.ts';
import type { ContainerStatus, Pod, PodCondition } from '../../../../src/embedded/objects/api-object.ts';

function pod(spec: Partial<V1PodSpec> = {}): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', namespace: 'n', uid: 'u', resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: { containers: [{ name: 'main', image: 'x' }], ...spec },
    status: { phase: 'Pending' },
  };
}

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
    ['Pending while a container has not started', facts({}, [status('a', waiting)]), 'Pending'],
    ['Running when all containers have started', facts({}, [status('a', running)]), 'Running'],
    [
      'Running while a container waits for its restart',
      facts({}, [status('a', waiting, { lastState: ended(1) })]),
      'Running',
    ],
    [
      'Running when a container with the restart policy Always has ended',
      facts({ restartPolicy: 'Always' }, [status('a', ended(0))]),
      'Running',
    ],
    [
      'Succeeded when all containers have ended with exit code 0',
      facts({ restartPolicy: 'Never' }, [status('a', ended(0)), status('b', ended(0))]),
      'Succeeded',
    ],
    [
      'Failed when a container has ended with another exit code',
      facts({ restartPolicy: 'Never' }, [status('a', ended(0)), status('b', ended(3))]),
      'Failed',
    ],
    [
      'Pending while an init container runs',
      facts({ initContainers: [{ name: 'i' }] }, [status('a', waiting)], [status('i', running)]),
      'Pending',
    ],
    [
      'Failed when an init container has failed and is not restarted',
      facts(
        { restartPolicy: 'Never', initContainers: [{ name: 'i' }] },
        [status('a', waiting)],
        [status('i', ended(1))],
      ),
      'Failed',
    ],
    [
      'Running with a running sidecar',
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

  it('keeps the conditions of other programs', () => {
    const disrupted = facts({}, [status('main', running)]);
    const condition = {
      type: 'DisruptionTarget',
      status: 'True' as const,
      lastProbeTime: null,
      lastTransitionTime: '',
    };
    const before = { ...disrupted.pod, status: { ...disrupted.pod.status, conditions: [condition] } };
    expect(podStatus({ ...disrupted, pod: before }).conditions).to.deep.include(condition);
  });

  it('keeps the time of a condition that has not changed', () => {
    const before = podStatus(facts({}, [status('a', running)]));
    const later = podStatus({ ...facts({}, [status('a', running)]), pod: { ...pod(), status: before }, now: 'later' });
    expect(later.conditions?.every(({ lastTransitionTime }) => lastTransitionTime === 'now')).to.equal(true);
  });

  it('keeps the conditions that others have added', () => {
    const disruption = { type: 'DisruptionTarget', status: 'True', lastProbeTime: null, lastTransitionTime: 'before' };
    const before = podStatus(facts({}, [status('a', running)]));
    const conditions = [disruption, ...(before.conditions ?? [])] as PodCondition[];
    const later = podStatus({
      ...facts({}, [status('a', waiting)]),
      pod: { ...pod(), status: { ...before, conditions } },
    });
    expect(later.conditions).to.have.length(6);
    expect(later.conditions).to.deep.include(disruption);
  });
});
