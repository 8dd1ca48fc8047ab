import { expect } from 'chai';

import { FakeCluster } from '../../../fakes/index.ts';
import type { Pod } from '../../../src/kubernetes/cluster.ts';
import { connectByExec } from '../../../src/pods/exec-agent.ts';
import { rejection } from '../../support/rejection.ts';

const handle = '12345678-9abc-4def-8123-456789abcdef';
const podOf = (owner: string): Pod => ({ metadata: { labels: { 'kubernetes-worker/handle': owner } } });

describe('connectByExec', () => {
  const execed = new Error('the exec began');
  let cluster: FakeCluster;

  beforeEach(() => {
    cluster = new FakeCluster({ namespace: 'ci' });
    cluster.execEndpoint.rejects(execed);
  });

  it('rejects without an exec if a chosen name belongs to the pod of another handle now', async () => {
    cluster.getPod.resolves(podOf('later'));
    const error = await rejection(connectByExec(cluster, 'chosen', { handle }));
    expect(error).to.include({ code: 'KW_ERR_POD_DELETED', podName: 'chosen', namespace: 'ci' });
    expect(cluster.execEndpoint.callCount).to.equal(0);
  });

  for (const [what, pod] of [
    ['belongs to the handle', podOf(handle)],
    ['has lost its labels', {}],
    ['does not exist, which the exec reports', undefined],
  ] as const) {
    it(`executes if the pod of a chosen name ${what}`, async () => {
      cluster.getPod.resolves(pod);
      expect(await rejection(connectByExec(cluster, 'chosen', { handle }))).to.equal(execed);
    });
  }

  it('reads no pod whose name only this handle can have', async () => {
    for (const name of [handle, 'main-unit-b12-task-12345678'])
      expect(await rejection(connectByExec(cluster, name, { handle }))).to.equal(execed);
    expect(cluster.getPod.callCount).to.equal(0);
  });
});
