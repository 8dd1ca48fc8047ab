import { expect } from 'chai';

import type { Pod } from '../../../src/kubernetes/cluster.ts';
import { mainImage, mainImageState } from '../../../src/kubernetes/pod-state/image-state.ts';

const podWith = (name: string, status: object): Pod => ({
  spec: {
    containers: [
      { name: 'log', image: 'log:1' },
      { name: 'main', image: 'busybox:1' },
    ],
  },
  status: {
    containerStatuses: [{ name, image: 'docker.io/busybox:1', imageID: '', ready: false, restartCount: 0, ...status }],
  },
});

describe("the main container's image", () => {
  it('has the name that its pod requests', () => {
    expect(mainImage(podWith('main', {}))).to.equal('busybox:1');
    expect(mainImage({ spec: { containers: [] } })).to.equal(undefined);
    expect(mainImage({})).to.equal(undefined);
  });

  for (const [expected, what, status] of [
    ['awaited', 'is being created', { state: { waiting: { reason: 'ContainerCreating' } } }],
    ['awaited', 'waits for the next pull', { state: { waiting: { reason: 'ImagePullBackOff' } } }],
    ['present', 'runs', { state: { running: {} } }],
    ['present', 'has an image ID', { imageID: 'sha256:1', state: { waiting: { reason: 'RunContainerError' } } }],
    ['present', 'has an ID', { containerID: 'containerd://1', state: { waiting: { reason: 'RunContainerError' } } }],
    ['present', 'has ended', { state: { terminated: { exitCode: 1 } } }],
    [
      'present',
      'waits for its restart',
      { state: { waiting: { reason: 'CrashLoopBackOff' } }, lastState: { terminated: { exitCode: 1 } } },
    ],
    ['unknown', 'has no state', {}],
  ] as const) {
    it(`is ${expected} if the container ${what}`, () => {
      expect(mainImageState(podWith('main', status))).to.equal(expected);
    });
  }

  it('is unknown without a status of the container, whatever a sidecar does', () => {
    expect(mainImageState(podWith('log', { imageID: 'sha256:1', state: { running: {} } }))).to.equal('unknown');
    expect(mainImageState({})).to.equal('unknown');
  });
});
