import { expect } from 'chai';

import { ImagePullFailedError, PodDeletedError, PodEvictedError, PodFailedError } from '../../../src/errors/pod.ts';
import type { Pod } from '../../../src/kubernetes/cluster.ts';
import { mainContainerState } from '../../../src/kubernetes/main-container-state.ts';
import {
  findMissingConfigMap,
  findUnschedulable,
  podProblem,
  waitsForVolumesSince,
} from '../../../src/kubernetes/pod-status.ts';

const startTime = new Date('2030-01-01T00:00:00Z');
type Status = NonNullable<Pod['status']>;
type ContainerStatus = NonNullable<Status['containerStatuses']>[number];

function pod(status: Status, metadata: Pod['metadata'] = {}): Pod {
  return { metadata: { name: 'p', namespace: 'ci', ...metadata }, status: { startTime, ...status } };
}

function container(status: Partial<ContainerStatus>): ContainerStatus {
  return { name: 'main', image: 'reg/app:1', imageID: '', ready: false, restartCount: 0, ...status };
}

function waiting(reason: string, message?: string): Pod {
  return pod({
    phase: 'Pending',
    containerStatuses: [container({ state: { waiting: { reason, ...(message === undefined ? {} : { message }) } } })],
  });
}

function problem(subject: Pod): ReturnType<typeof podProblem> {
  return podProblem(subject);
}

const terminated = { exitCode: 137, reason: 'OOMKilled', containerID: 'c://1', finishedAt: startTime };

describe('the problem of a pod', () => {
  it('is none while it is new, starting or running', () => {
    expect(problem({})).to.equal(undefined);
    expect(problem(waiting('ContainerCreating'))).to.equal(undefined);
    expect(problem(waiting('PodInitializing'))).to.equal(undefined);
    expect(problem(pod({ phase: 'Running', containerStatuses: [container({ state: { running: {} } })] }))).to.equal(
      undefined,
    );
  });

  for (const reason of ['InvalidImageName', 'ErrImageNeverPull']) {
    it(`is the image at ${reason}`, () => {
      const error = problem(waiting(reason, 'no such name'));
      expect(error).to.be.instanceOf(ImagePullFailedError);
      expect(error).to.include({
        image: 'reg/app:1',
        reason,
        detail: 'container main: no such name',
        podName: 'p',
        namespace: 'ci',
      });
      expect(error).to.include({ retryable: false });
    });
  }

  it('is none while a pull fails, which may pass', () => {
    for (const reason of ['ErrImagePull', 'ImagePullBackOff', 'ImageInspectError'])
      expect(problem(waiting(reason, 'reg/app:1: not found'))).to.equal(undefined);
  });

  for (const reason of ['CreateContainerConfigError', 'CreateContainerError', 'RunContainerError']) {
    it(`is a failure at ${reason}`, () => {
      expect(problem(waiting(reason, 'secret "x" not found')))
        .to.be.instanceOf(PodFailedError)
        .and.include({ reason });
    });
  }

  it('is none where a config map is missing, which is told apart', () => {
    const subject = waiting('CreateContainerConfigError', 'configmap "agent-1" not found');
    expect(problem(subject)).to.equal(undefined);
    expect(findMissingConfigMap(subject)).to.equal('agent-1');
    expect(findMissingConfigMap(waiting('ContainerCreating'))).to.equal(undefined);
  });

  it('is none where the runtime is slow or restarts, at whatever step', () => {
    const words = [
      'context deadline exceeded',
      'failed to reserve container name "main_p_ci": name "main_p_ci" is reserved for "0a1b"',
      'connection error: desc = "transport: Error while dialing dial unix /run/containerd/containerd.sock: connect: no such file or directory"',
    ];
    for (const message of words) {
      for (const reason of ['CreateContainerError', 'RunContainerError'])
        expect(problem(waiting(reason, message)), message).to.equal(undefined);
      const state = { waiting: { reason: 'CrashLoopBackOff' } };
      const lastState = {
        terminated: { exitCode: 128, reason: 'StartError', message: `failed to create containerd task: ${message}` },
      };
      expect(problem(pod({ containerStatuses: [container({ state, lastState })] })), message).to.equal(undefined);
    }
  });

  it('is a program that cannot be started, also while the kubelet waits before the next attempt', () => {
    const message = 'exec: "/x": stat /x: no such file or directory';
    const start = { terminated: { exitCode: 128, reason: 'StartError', message } };
    const state = { waiting: { reason: 'CrashLoopBackOff', message: 'back-off' } };
    for (const status of [{ state: start }, { state, lastState: start }]) {
      expect(problem(pod({ containerStatuses: [container(status)] })))
        .to.be.instanceOf(PodFailedError)
        .and.include({ reason: 'StartError', detail: `container main: ${message}` });
    }
    expect(problem(pod({ containerStatuses: [container({ state: { running: {} }, lastState: start })] }))).to.equal(
      undefined,
    );
  });

  it('is none where a container was killed and comes back', () => {
    const state = { waiting: { reason: 'CrashLoopBackOff' } };
    expect(
      problem(
        pod({
          phase: 'Running',
          containerStatuses: [container({ state, lastState: { terminated }, restartCount: 9 })],
        }),
      ),
    ).to.equal(undefined);
  });

  it('is found in any container', () => {
    const containerStatuses = [
      container({ state: { running: {} } }),
      container({ name: 'db', image: 'db:1', state: { waiting: { reason: 'InvalidImageName' } } }),
    ];
    expect(problem(pod({ containerStatuses })))
      .to.be.instanceOf(ImagePullFailedError)
      .and.include({ image: 'db:1', detail: 'container db' });
  });

  it('is an eviction where the node puts it out or loses it, and another pod may do', () => {
    for (const reason of ['Evicted', 'NodeLost', 'Shutdown', 'OutOfcpu', 'NodeAffinity', 'Preempting']) {
      expect(problem(pod({ phase: 'Failed', reason, message: 'm' })))
        .to.be.instanceOf(PodEvictedError)
        .and.include({ reason, detail: 'm', retryable: true });
    }
    const conditions = [
      { type: 'DisruptionTarget', status: 'True', reason: 'DeletionByTaintManager', message: 'taint' },
    ];
    expect(problem(pod({ phase: 'Running', conditions }, { deletionTimestamp: startTime })))
      .to.be.instanceOf(PodEvictedError)
      .and.include({ reason: 'DeletionByTaintManager' });
  });

  it('is a deletion once somebody has asked for it', () => {
    expect(problem(pod({ phase: 'Running' }, { deletionTimestamp: startTime }))).to.be.instanceOf(PodDeletedError);
  });

  for (const phase of ['Failed', 'Succeeded']) {
    it(`is a failure in phase ${phase}, which none of our pods has by itself`, () => {
      const error = problem(pod({ phase, containerStatuses: [container({ state: { terminated } })] }));
      expect(error)
        .to.be.instanceOf(PodFailedError)
        .and.include({ reason: phase, detail: 'container main ended with exit code 137 (OOMKilled)' });
    });
  }
});

describe('a pod that waits', () => {
  it('for a node says since when and why', () => {
    const condition = {
      type: 'PodScheduled',
      status: 'False',
      reason: 'Unschedulable',
      message: '0/2 nodes',
      lastTransitionTime: startTime,
    };
    const subject = pod({ phase: 'Pending', conditions: [condition] });
    expect(findUnschedulable(subject)).to.deep.equal({ since: startTime, detail: '0/2 nodes' });
    expect(problem(subject)).to.equal(undefined);
    expect(findUnschedulable(pod({ conditions: [{ ...condition, reason: 'SchedulingGated' }] }))).to.equal(undefined);
    expect(findUnschedulable(pod({ conditions: [{ type: 'PodScheduled', status: 'True' }] }))).to.equal(undefined);
  });

  it('for its volumes says since when', () => {
    const scheduled = { type: 'PodScheduled', status: 'True' };
    const condition = { type: 'PodReadyToStartContainers', status: 'False', lastTransitionTime: startTime };
    expect(waitsForVolumesSince(pod({ conditions: [scheduled, condition] }))).to.equal(startTime);
    expect(waitsForVolumesSince(pod({ conditions: [condition] }))).to.equal(undefined);
    expect(waitsForVolumesSince(pod({ conditions: [scheduled, { ...condition, status: 'True' }] }))).to.equal(
      undefined,
    );
  });
});

describe('the state of the main container', () => {
  const termination = {
    reason: 'OOMKilled',
    exitCode: 137,
    outOfMemory: true,
    message: undefined,
    finishedAt: startTime,
    containerId: 'c://1',
  };

  it('is waiting before anything is known, and while it is made', () => {
    expect(mainContainerState({})).to.deep.equal({ kind: 'waiting', reason: undefined, detail: undefined });
    expect(mainContainerState(waiting('ContainerCreating', 'm'))).to.deep.equal({
      kind: 'waiting',
      reason: 'ContainerCreating',
      detail: 'm',
    });
    expect(
      mainContainerState(pod({ containerStatuses: [container({ name: 'db', state: { running: {} } })] })).kind,
    ).to.equal('waiting');
  });

  it('is running, with what its last run died of', () => {
    const status = container({
      state: { running: { startedAt: startTime } },
      lastState: { terminated },
      restartCount: 2,
      containerID: 'c://2',
    });
    expect(mainContainerState(pod({ containerStatuses: [status] }))).to.deep.equal({
      kind: 'running',
      startedAt: startTime,
      containerId: 'c://2',
      restartCount: 2,
      lastTermination: termination,
    });
  });

  it('is restarting after a run, whether the kubelet waits or has not begun to', () => {
    const backOff = container({
      state: { waiting: { reason: 'CrashLoopBackOff', message: 'm' } },
      lastState: { terminated },
      restartCount: 3,
    });
    expect(mainContainerState(pod({ containerStatuses: [backOff] }))).to.deep.equal({
      kind: 'restarting',
      reason: 'CrashLoopBackOff',
      detail: 'm',
      restartCount: 3,
      lastTermination: termination,
    });
    const justEnded = container({ state: { terminated } });
    expect(mainContainerState(pod({ containerStatuses: [justEnded] }))).to.deep.include({
      kind: 'restarting',
      restartCount: 0,
      lastTermination: termination,
    });
  });
});
