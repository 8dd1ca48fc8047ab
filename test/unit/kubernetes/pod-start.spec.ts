import { expect } from 'chai';

import type { Pod } from '../../../src/kubernetes/cluster.ts';
import { PodStart, type StartProblem } from '../../../src/kubernetes/pod-state/pod-start.ts';

type ContainerStatus = NonNullable<NonNullable<Pod['status']>['containerStatuses']>[number];
type Terminated = NonNullable<NonNullable<ContainerStatus['state']>['terminated']>;

const image = 'registry.local:5000/429/timeout-app:401';

function podWith(status: Partial<ContainerStatus>, name = 'main'): Pod {
  const container: ContainerStatus = { name, image, imageID: '', ready: false, restartCount: 0, ...status };
  return { metadata: { name: 'p', namespace: 'ci' }, status: { phase: 'Pending', containerStatuses: [container] } };
}

function waiting(reason: string, message?: string): Pod {
  return podWith({ state: { waiting: { reason, ...(message === undefined ? {} : { message }) } } });
}

function resolving(cause: string): string {
  return `failed to pull and unpack image "${image}": failed to resolve reference "${image}": ${cause}`;
}

const codeOf = (problem: StartProblem | undefined): string | undefined =>
  problem?.kind === 'failed' ? problem.error.code : problem?.kind;

describe('PodStart', () => {
  const passes: Readonly<Record<string, string>> = {
    'responds with 429': `unexpected status from HEAD request to http://registry.local:5000/v2/app/manifests/1: 429 Too Many Requests`,
    'responds with 503': 'unexpected status code [manifests 1]: 503 Service Unavailable',
    'is unreachable':
      'failed to do request: Head "http://registry.local:5000/v2/app": dial tcp 10.0.0.1:5000: connect: connection refused',
    'has no name': 'failed to do request: Head "https://x/v2/app": dial tcp: lookup x on 10.96.0.10:53: no such host',
    'does not finish TLS': 'failed to do request: Head "https://x/v2/app": net/http: TLS handshake timeout',
    'is silent': 'rpc error: code = DeadlineExceeded desc = context deadline exceeded',
    'limits pulls': 'toomanyrequests: You have reached your pull rate limit',
    'reports an unknown error': 'the dog ate it',
  };
  for (const [what, cause] of Object.entries(passes)) {
    it(`tolerates a registry that ${what}, until the worker's limit`, () => {
      const start = new PodStart(60_000);
      for (let second = 0; second < 60; second += 2) {
        const state =
          second % 4 === 0
            ? waiting('ErrImagePull', resolving(cause))
            : waiting('ImagePullBackOff', `Back-off pulling image "${image}"`);
        expect(start.observe(state, second * 1000), String(second)).to.equal(undefined);
      }
      const problem = start.observe(
        waiting('ImagePullBackOff', `Back-off pulling image "${image}": ErrImagePull: ${resolving(cause)}`),
        60_000,
      );
      expect(codeOf(problem)).to.equal('KW_ERR_IMAGE_PULL_FAILED');
      expect(problem).to.have.nested.include({ 'error.retryable': true, 'error.image': image });
      expect(problem).to.have.nested.property('error.message').that.contains(cause);
    });
  }

  const stays: Readonly<Record<string, string>> = {
    'is missing': `${image}: not found`,
    'has an unknown manifest': 'manifest unknown: manifest unknown',
    'is for another platform': 'no match for platform in manifest: not found',
    'may not be read':
      'pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed',
    'needs a login':
      'unexpected status from HEAD request to http://registry.local:5001/v2/app/manifests/1: 401 Unauthorized',
    'is forbidden': 'failed to fetch oauth token: unexpected status: 403 Forbidden',
  };
  for (const [what, cause] of Object.entries(stays)) {
    it(`fails at the second pull of an image that ${what}`, () => {
      const start = new PodStart(60_000);
      const [failed, pause] = [
        waiting('ErrImagePull', resolving(cause)),
        waiting('ImagePullBackOff', `Back-off pulling image "${image}"`),
      ];
      expect(start.observe(failed, 0)).to.equal(undefined);
      expect(start.observe(failed, 500)).to.equal(undefined);
      expect(start.observe(pause, 1_000)).to.equal(undefined);
      const problem = start.observe(failed, 11_000);
      expect(codeOf(problem)).to.equal('KW_ERR_IMAGE_PULL_FAILED');
      expect(problem).to.have.nested.include({ 'error.retryable': false });
      expect(problem).to.have.nested.property('error.message').that.contains(cause);
    });
  }

  it('counts a lasting refusal as repeated, because a watch may miss one', () => {
    const start = new PodStart(600_000);
    const pause = waiting(
      'ImagePullBackOff',
      `Back-off pulling image "${image}": ErrImagePull: ${resolving('manifest unknown')}`,
    );
    expect(start.observe(pause, 0)).to.equal(undefined);
    expect(start.observe(pause, 29_999)).to.equal(undefined);
    expect(codeOf(start.observe(pause, 30_000))).to.equal('KW_ERR_IMAGE_PULL_FAILED');
  });

  it('discards a refusal when the registry is busy next, and all failures when the pull succeeds', () => {
    const start = new PodStart(60_000);
    const pause = waiting('ImagePullBackOff', 'Back-off');
    start.observe(waiting('ErrImagePull', resolving('401 Unauthorized')), 0);
    start.observe(pause, 1_000);
    expect(start.observe(waiting('ErrImagePull', resolving('429 Too Many Requests')), 11_000)).to.equal(undefined);
    start.observe(pause, 12_000);
    expect(start.observe(waiting('ErrImagePull', resolving('401 Unauthorized')), 30_000)).to.equal(undefined);
    expect(start.observe(podWith({ state: { running: {} } }), 59_000)).to.equal(undefined);
    expect(start.observe(waiting('ErrImagePull', resolving('timeout')), 100_000)).to.equal(undefined);
  });

  const ended = (exitCode: number, reason: string, message?: string): Terminated => ({
    exitCode,
    reason,
    ...(message === undefined ? {} : { message }),
  });
  const backOff = { waiting: { reason: 'CrashLoopBackOff', message: 'back-off 10s' } };

  it('fails when main has ended at each of three starts', () => {
    const start = new PodStart(60_000);
    const terminated = ended(1, 'Error');
    expect(start.observe(waiting('ContainerCreating'), 0)).to.equal(undefined);
    expect(start.observe(podWith({ state: { terminated } }), 1)).to.equal(undefined);
    expect(start.observe(podWith({ state: { running: {} }, lastState: { terminated }, restartCount: 1 }), 2)).to.equal(
      undefined,
    );
    expect(start.observe(podWith({ state: backOff, lastState: { terminated }, restartCount: 1 }), 3)).to.equal(
      undefined,
    );
    const problem = start.observe(podWith({ state: { terminated }, lastState: { terminated }, restartCount: 2 }), 4);
    expect(problem).to.deep.include({ kind: 'ends', containerName: 'main', times: 3 });
    expect(problem).to.have.nested.include({ 'termination.exitCode': 1, 'termination.reason': 'Error' });
  });

  it('does not count earlier ends, when another agent may have responded', () => {
    const start = new PodStart(60_000);
    const lastState = { terminated: ended(137, 'OOMKilled') };
    expect(start.observe(podWith({ state: backOff, lastState, restartCount: 7 }), 0)).to.equal(undefined);
    expect(start.observe(podWith({ state: backOff, lastState, restartCount: 9 }), 1)).to.equal(undefined);
    expect(codeOf(start.observe(podWith({ state: backOff, lastState, restartCount: 10 }), 2))).to.equal('ends');
  });

  it('ignores ends of a sidecar, unless its runtime cannot start it', () => {
    const ofSidecar = (terminated: Terminated): string | undefined => {
      const start = new PodStart(60_000);
      start.observe(podWith({ state: { waiting: { reason: 'ContainerCreating' } } }, 'db'), 0);
      return codeOf(start.observe(podWith({ state: backOff, lastState: { terminated }, restartCount: 5 }, 'db'), 1));
    };
    expect(ofSidecar(ended(1, 'Error'))).to.equal(undefined);
    expect(ofSidecar(ended(128, 'StartError', 'strange words'))).to.equal('ends');
    expect(ofSidecar(ended(128, 'StartError', 'exec: "/x": stat /x: no such file or directory'))).to.equal(
      'KW_ERR_POD_FAILED',
    );
    expect(ofSidecar(ended(128, 'StartError', 'context deadline exceeded'))).to.equal(undefined);
  });

  it('fails when an init container has failed at each of three starts, unless it is a sidecar [A28]', () => {
    const observed = (exitCode: number, restartPolicy?: string): StartProblem | undefined => {
      const start = new PodStart(60_000);
      const state = (status: Partial<ContainerStatus>): Pod => {
        const [mesh] = podWith(status, 'mesh').status!.containerStatuses!;
        const initContainers = [{ name: 'mesh', ...(restartPolicy === undefined ? {} : { restartPolicy }) }];
        return { spec: { containers: [], initContainers }, status: { initContainerStatuses: [mesh!] } };
      };
      start.observe(state({ state: { waiting: { reason: 'PodInitializing' } } }), 0);
      const terminated = ended(exitCode, exitCode === 0 ? 'Completed' : 'Error');
      expect(start.observe(state({ state: backOff, lastState: { terminated }, restartCount: 1 }), 1)).to.equal(
        undefined,
      );
      return start.observe(state({ state: { terminated }, restartCount: 2 }), 2);
    };
    expect(observed(7)).to.deep.include({ kind: 'ends', containerName: 'mesh', times: 3 });
    expect(observed(7)).to.have.nested.include({ 'termination.exitCode': 7 });
    expect(observed(0)).to.equal(undefined);
    expect(observed(7, 'Always')).to.equal(undefined);
  });

  it('names the container whose image cannot be pulled', () => {
    const start = new PodStart(1_000);
    const failed = podWith({ state: { waiting: { reason: 'ErrImagePull', message: 'dial: timeout' } } }, 'db');
    start.observe(failed, 0);
    expect(start.observe(failed, 1_000)).to.have.nested.include({
      'error.containerName': 'db',
      'error.reason': 'ErrImagePull',
      'error.retryable': true,
    });
  });

  it("does not confuse a program's message with the runtime's", () => {
    const start = new PodStart(60_000);
    start.observe(waiting('ContainerCreating'), 0);
    const lastState = { terminated: ended(1, 'Error', 'my query timed out') };
    expect(codeOf(start.observe(podWith({ state: backOff, lastState, restartCount: 2 }), 1))).to.equal('ends');
  });
});
