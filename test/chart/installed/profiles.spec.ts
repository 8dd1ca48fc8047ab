import { expect } from 'chai';

import { startPeer } from '../../support/chart/peer.ts';
import { get } from '../../support/chart/probe.ts';
import { clientLabels, Release, scraperLabels } from '../../support/chart/release.ts';

describe('The chart, installed', function () {
  this.timeout(240_000);

  for (const { profile, version } of [
    { profile: 'minimal', version: 3 },
    { profile: 'local', version: 4 },
    { profile: 'offline', version: 4 },
  ] as const)
    it(`with the profile ${profile} and helm ${version} serves, and passes its test`, async function () {
      await using release = await Release.prepare(this, profile, 'baseline');
      await release.install({ profile, version });
      // The output of a step.
      expect(await release.test({ version })).to.match(/^The step ran as \d+\.$/m);
      await expectAnswers(release);
      if (profile === 'offline') await expectOneRegistry(release);
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
