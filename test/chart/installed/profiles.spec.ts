import { expect } from 'chai';

import { startPeer } from '../../support/chart/peer.ts';
import { get } from '../../support/chart/probe.ts';
import { clientLabels, Release, scraperLabels } from '../../support/chart/release.ts';

const installations = [
  { profile: 'minimal', version: 3 },
  { profile: 'local', version: 4 },
  { profile: 'offline', version: 4 },
] as const;

describe('The chart, installed', function () {
  this.timeout(240_000);
  const releases = new Map<string, Release>();
  const logs = new Map<string, Promise<string>>();

  // An installation mostly waits, so that all of them take little longer than one.
  before(async function () {
    for (const { profile, version } of installations) {
      const release = await Release.prepare(this, profile, 'baseline');
      releases.set(profile, release);
      const log = release.install({ profile, version }).then(async () => await release.test({ version }));
      // The test of the profile awaits it.
      log.catch(() => undefined);
      logs.set(profile, log);
    }
  });

  after(async () => {
    await Promise.allSettled(logs.values());
    for (const release of releases.values()) await release[Symbol.asyncDispose]();
  });

  for (const { profile, version } of installations)
    it(`with the profile ${profile} and Helm ${version} runs the step of its test, and serves`, async () => {
      // The output of a step.
      expect(await logs.get(profile)).to.match(/^The step ran as \d+\.$/m);
      await expectAnswers(releases.get(profile)!);
    });

  it('with the profile offline uses the images of one registry', async () => {
    await expectOneRegistry(releases.get('offline')!);
  });
});

/** Expects that the status API and the metrics answer a pod that may read both, by the name of the Service. */
async function expectAnswers({ namespace, kubeConfig, site, deployment, token }: Release): Promise<void> {
  const labels = { ...clientLabels, ...scraperLabels };
  const client = await startPeer(kubeConfig, { namespace, name: 'client', image: site.image, labels });
  const status = async (path: string, headers = {}): Promise<number> =>
    (await get(kubeConfig, client, `http://${deployment}:9393${path}`, headers)).status;
  expect(await status('/readyz')).to.equal(200);
  expect(await status('/api/v1/status')).to.equal(401);
  expect(await status('/api/v1/status', { authorization: `Bearer ${token}` })).to.equal(200);
  const { text } = await get(kubeConfig, client, `http://${deployment}:9394/metrics`);
  expect(text).to.match(/^kubernetes_worker_\w+/m);
}

/** Expects that the images of all pods come from the registry inside. */
async function expectOneRegistry({ core, namespace, site }: Release): Promise<void> {
  const registry = site.image.split('/')[0];
  const { items } = await core.listNamespacedPod({ namespace });
  const images = items.flatMap(({ spec }) =>
    [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])].map(({ image }) => image ?? ''),
  );
  expect(images).not.to.have.length(0);
  for (const image of images) expect(image.split('/')[0]).to.equal(registry);
}
