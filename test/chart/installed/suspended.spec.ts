import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

import type { V1ContainerStatus } from '@kubernetes/client-node';
import { expect } from 'chai';

import { Release } from '../../support/chart/release.ts';

describe('A replica of an installed chart that is suspended', function () {
  this.timeout(240_000);

  it('is restarted by its node because of the liveness probe, and is ready again', async function () {
    await using release = await Release.prepare(this, 'suspended', 'baseline');
    const liveness = { periodSeconds: 1, timeoutSeconds: 1, failureThreshold: 3 };
    // The node waits for the grace before it kills a process that does not take TERM.
    const grace = { terminationGracePeriodSeconds: 16, config: { shutdown: { graceMs: 1_000 } } };
    await release.install({ profile: 'minimal', values: { probes: { liveness }, ...grace } });
    const before = await serviceStatus(release);
    expect(before).to.include({ restartCount: 0, ready: true });
    process.kill(processOf(before), 'SIGSTOP');
    let after = before;
    while (after.restartCount === 0 || !after.ready) {
      await sleep(500);
      after = await serviceStatus(release);
    }
    expect(after.restartCount).to.equal(1);
    const { namespace, core } = release;
    const { items } = await core.listNamespacedEvent({ namespace });
    expect(items.map(({ message }) => message).join('\n')).to.include('failed liveness probe');
  });
});

/** Returns the status of the container of the only replica. */
async function serviceStatus(release: Release): Promise<V1ContainerStatus> {
  const [pod] = await release.pods();
  const [status] = pod?.status?.containerStatuses ?? [];
  if (status === undefined) throw new Error('the replica has no status');
  return status;
}

/** Returns the first process of a container. The nodes of the suites are on this machine. */
function processOf({ containerID = '' }: V1ContainerStatus): number {
  const id = containerID.replace(/^.*:\/\//, '');
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      if (readFileSync(`/proc/${pid}/cgroup`, 'utf8').includes(id)) return Number(pid);
    } catch {
      // The process has ended meanwhile.
    }
  }
  throw new Error(`no process of this machine is in the container ${containerID}`);
}
