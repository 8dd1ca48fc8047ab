import { KubeConfig, NetworkingV1Api } from '@kubernetes/client-node';
import { expect } from 'chai';

import { egressPolicyName } from '../../../src/hermetic/egress-policy.ts';
import { probeRetryMs } from '../../../src/hermetic/hermetic-guard.ts';
import type { Clock, KubernetesWorker } from '../../../src/index.ts';
import { systemClock } from '../../../src/internal/system-clock.ts';
import { makeContainer, newOwner } from '../../contract/worker/setup.ts';
import { type EmbeddedWorker, embeddedWorker } from '../../support/embedded-worker.ts';
import { rejection } from '../../support/rejection.ts';

const image = 'busybox:1';

/** The system's clock, on which the limit of the probe is reached after a few tries. */
function probingClock(): Clock {
  const clock = systemClock();
  let aheadMs = 0;
  return {
    now: () => clock.now() + aheadMs,
    sleep: async (delayMs, options) => {
      await clock.sleep(delayMs, options);
      if (delayMs === probeRetryMs) aheadMs += 10_000;
    },
  };
}

describe('A container on a cluster that does not enforce network policies', () => {
  let embedded: EmbeddedWorker;
  let worker: KubernetesWorker;

  before(async () => {
    embedded = await embeddedWorker(image);
    worker = await embedded.setup.openWith({ clock: probingClock() });
  });

  // What another test has left is not counted.
  beforeEach(async () => {
    await worker.reap();
  });

  after(async () => {
    await worker?.close();
    await embedded?.close();
  });

  it('is refused if it is hermetic, although the policy exists, and leaves no pod behind', async () => {
    const error = await rejection(makeContainer(worker, image, { hermetic: true }));
    expect(error).to.include({ code: 'KW_ERR_HERMETIC_NOT_ENFORCED', reason: 'policy-not-enforced', retryable: false });
    expect(error.message).to.match(/pod \S+ still reaches 127\.0\.0\.1:\d+ \(connected\) after \d+ ms/);
    const config = new KubeConfig();
    config.loadFromFile(embedded.cluster.kubeconfigPath);
    const policy = await config
      .makeApiClient(NetworkingV1Api)
      .readNamespacedNetworkPolicy({ name: egressPolicyName, namespace: 'default' });
    expect(policy.spec?.policyTypes).to.deep.equal(['Egress']);
    expect(await worker.reap()).to.include({ deletedContainers: 2, deletedPods: 2 });
    expect(await embedded.setup.podNames()).to.deep.equal([]);
  });

  it('is not affected if it is not hermetic', async () => {
    const { created, owner } = await makeContainer(worker, image);
    expect(created).to.equal(true);
    await worker.ownerFinished(owner);
  });

  it('is refused if it is privileged, unless its team may have such containers', async () => {
    const owner = newOwner();
    const create = (by: KubernetesWorker, team?: string) =>
      by.findOrCreateContainer(owner, { image, privileged: true }, { metadata: { team } });
    const refused = { code: 'KW_ERR_INVALID_SPEC', field: 'privileged' };
    const rows = async () => (await worker.listContainers()).containers.map(({ handle }) => handle);
    const before = await rows();
    expect(await rejection(create(worker, 'ops'))).to.include(refused);
    await using opsOnly = await embedded.setup.openWith({ privilegedTeams: ['ops'] });
    expect(await rejection(create(opsOnly, 'web'))).to.include(refused);
    expect(await rows()).to.deep.equal(before);
    expect((await create(opsOnly, 'ops')).created).to.equal(true);
    await worker.ownerFinished(owner);
  });
});
