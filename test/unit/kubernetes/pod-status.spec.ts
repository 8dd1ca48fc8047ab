import { expect } from 'chai';

import { ImagePullFailedError, PodDeletedError, PodEvictedError, PodFailedError } from '../../../src/errors/pod.ts';
import type { Pod } from '../../../src/kubernetes/cluster.ts';
import { mainContainerState } from '../../../src/kubernetes/pod-state/main-container-state.ts';
import {
  findMissingConfigMap,
  findUnschedulable,
  podProblem,
  waitsForVolumesSince,
} from '../../../src/kubernetes/pod-state/pod-status.ts';

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

describe('podProblem', () => {
  it('returns nothing for a new, starting or running pod', () => {
    expect(problem({})).to.equal(undefined);
    expect(problem(waiting('ContainerCreating'))).to.equal(undefined);
    expect(problem(waiting('PodInitializing'))).to.equal(undefined);
    expect(problem(pod({ phase: 'Running', containerStatuses: [container({ state: { running: {} } })] }))).to.equal(
      undefined,
    );
  });

  for (const reason of ['InvalidImageName', 'ErrImageNeverPull']) {
    it(`returns the image error for ${reason}`, () => {
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

  it('returns nothing for a failing pull, which may be temporary', () => {
    for (const reason of ['ErrImagePull', 'ImagePullBackOff', 'ImageInspectError'])
      expect(problem(waiting(reason, 'reg/app:1: not found'))).to.equal(undefined);
  });

  for (const reason of ['CreateContainerConfigError', 'CreateContainerError', 'RunContainerError']) {
    it(`returns a failure for ${reason}`, () => {
      expect(problem(waiting(reason, 'secret "x" not found')))
        .to.be.instanceOf(PodFailedError)
        .and.include({ reason });
    });
  }

  it('returns nothing for a missing config map, which has its own function', () => {
    const subject = waiting('CreateContainerConfigError', 'configmap "agent-1" not found');
    expect(problem(subject)).to.equal(undefined);
    expect(findMissingConfigMap(subject)).to.equal('agent-1');
    expect(findMissingConfigMap(waiting('ContainerCreating'))).to.equal(undefined);
  });

  it('returns nothing while the runtime is slow or restarts, at any step', () => {
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

  it('returns a failure for a program that cannot be started, also during the kubelet back-off', () => {
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

  it('returns nothing for a killed container that is restarted', () => {
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

  it('checks every container', () => {
    const containerStatuses = [
      container({ state: { running: {} } }),
      container({ name: 'db', image: 'db:1', state: { waiting: { reason: 'InvalidImageName' } } }),
    ];
    expect(problem(pod({ containerStatuses })))
      .to.be.instanceOf(ImagePullFailedError)
      .and.include({ image: 'db:1', detail: 'container db' });
  });

  it('returns a retryable eviction when the node evicts the pod or is lost [A25]', () => {
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

  it('returns a deletion once the pod is being deleted [A30]', () => {
    expect(problem(pod({ phase: 'Running' }, { deletionTimestamp: startTime }))).to.be.instanceOf(PodDeletedError);
  });

  for (const phase of ['Failed', 'Succeeded']) {
    it(`returns a failure for phase ${phase}, which a pod of the library never reaches on its own [A29]`, () => {
      const error = problem(pod({ phase, containerStatuses: [container({ state: { terminated } })] }));
      expect(error)
        .to.be.instanceOf(PodFailedError)
        .and.include({ reason: phase, detail: 'container main ended with exit code 137 (OOMKilled)' });
    });
  }
});

describe('the facts of a problem', () => {
  const inNode = (status: Status): Pod => ({ ...pod(status), spec: { nodeName: 'n', containers: [] } });
  const waits = (name: string, reason: string, message: string): ContainerStatus =>
    container({ name, state: { waiting: { reason, message } } });
  const ends = (name: string, exitCode: number): ContainerStatus =>
    container({ name, state: { terminated: { exitCode, reason: exitCode === 0 ? 'Completed' : 'Error' } } });
  const startError = 'exec: "/x": stat /x: no such file or directory';
  const rows: readonly (readonly [string, Status, object])[] = [
    [
      'an invalid configuration of a sidecar',
      { containerStatuses: [waits('db', 'CreateContainerConfigError', 'secret "x" not found')] },
      {
        code: 'KW_ERR_POD_FAILED',
        reason: 'CreateContainerConfigError',
        detail: 'container db: secret "x" not found',
        containerName: 'db',
        retryable: false,
      },
    ],
    [
      'a container that the runtime cannot create',
      { containerStatuses: [waits('main', 'CreateContainerError', 'mount /x: denied')] },
      { reason: 'CreateContainerError', detail: 'container main: mount /x: denied', containerName: 'main' },
    ],
    [
      'a container that the runtime cannot run',
      { containerStatuses: [waits('main', 'RunContainerError', 'no cgroup')] },
      { reason: 'RunContainerError', detail: 'container main: no cgroup', containerName: 'main' },
    ],
    [
      'an invalid image of an init container',
      { initContainerStatuses: [waits('mesh', 'InvalidImageName', 'no')], containerStatuses: [container({})] },
      { code: 'KW_ERR_IMAGE_PULL_FAILED', detail: 'container mesh: no', containerName: 'mesh', retryable: false },
    ],
    [
      'an invalid configuration of an init container',
      { initContainerStatuses: [waits('mesh', 'CreateContainerConfigError', 'secret "x" not found')] },
      { code: 'KW_ERR_POD_FAILED', detail: 'container mesh: secret "x" not found', containerName: 'mesh' },
    ],
    [
      'a program of an init container that does not exist',
      {
        initContainerStatuses: [
          container({
            name: 'mesh',
            state: { terminated: { exitCode: 128, reason: 'StartError', message: startError } },
          }),
        ],
      },
      { reason: 'StartError', detail: `container mesh: ${startError}`, containerName: 'mesh' },
    ],
    [
      'a failed pod with one failed container, which is an init container',
      { phase: 'Failed', initContainerStatuses: [ends('fetch', 0), ends('mesh', 3)] },
      {
        code: 'KW_ERR_POD_FAILED',
        reason: 'Failed',
        detail: 'container mesh ended with exit code 3 (Error)',
        containerName: 'mesh',
      },
    ],
    [
      'a failed pod with several failed containers',
      { phase: 'Failed', containerStatuses: [ends('main', 1), ends('db', 2)] },
      {
        detail: 'container main ended with exit code 1 (Error), container db ended with exit code 2 (Error)',
        containerName: undefined,
      },
    ],
    [
      'a pod whose containers have all succeeded',
      { phase: 'Succeeded', containerStatuses: [ends('main', 0)] },
      {
        reason: 'Succeeded',
        detail: 'container main ended with exit code 0 (Completed)',
        containerName: undefined,
      },
    ],
    [
      'an eviction',
      { phase: 'Failed', reason: 'Evicted', message: 'm' },
      { code: 'KW_ERR_POD_EVICTED', containerName: undefined, retryable: true },
    ],
  ];
  for (const [what, status, expected] of rows) {
    it(`are complete for ${what}`, () => {
      expect(problem(inNode(status))).to.include({ ...expected, nodeName: 'n' });
    });
  }

  it('lack a problem for an init container that has succeeded', () => {
    const containerStatuses = [container({ state: { running: {} } })];
    expect(problem(inNode({ initContainerStatuses: [ends('mesh', 0)], containerStatuses }))).to.equal(undefined);
  });
});

describe('a waiting pod', () => {
  it('reports since when and why no node accepts it', () => {
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

  it('reports since when it waits for its volumes', () => {
    const scheduled = { type: 'PodScheduled', status: 'True' };
    const condition = { type: 'PodReadyToStartContainers', status: 'False', lastTransitionTime: startTime };
    expect(waitsForVolumesSince(pod({ conditions: [scheduled, condition] }))).to.equal(startTime);
    expect(waitsForVolumesSince(pod({ conditions: [condition] }))).to.equal(undefined);
    expect(waitsForVolumesSince(pod({ conditions: [scheduled, { ...condition, status: 'True' }] }))).to.equal(
      undefined,
    );
  });
});

describe('mainContainerState', () => {
  const termination = {
    reason: 'OOMKilled',
    exitCode: 137,
    outOfMemory: true,
    message: undefined,
    finishedAt: startTime,
    containerId: 'c://1',
  };

  it('is waiting without a status, and while the container is created', () => {
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

  it('is running, with the end of the last run', () => {
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

  it('is restarting after a run, before and during the back-off of the kubelet', () => {
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
