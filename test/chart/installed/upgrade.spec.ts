import { setTimeout as sleep } from 'node:timers/promises';

import type { V1Pod } from '@kubernetes/client-node';
import { expect } from 'chai';

import { openHost } from '../../support/chart/host.ts';
import { packageChart } from '../../support/chart/package-chart.ts';
import { Release } from '../../support/chart/release.ts';
import { RunningBuilds } from '../../support/chart/running-builds.ts';
import { tagImage } from '../../support/image/push-image.ts';
import { shellImage } from '../../support/real-cluster.ts';

const stepLabels = 'app.kubernetes.io/managed-by=kubernetes-worker,kubernetes-worker/handle';
const spec = { image: shellImage, dir: '/tmp/build' };

describe('A release of an earlier version of the chart', function () {
  this.timeout(240_000);

  it('is upgraded and rolled back while 20 builds of a host run, and no build notices', async function () {
    await using release = await Release.prepare(this, 'upgrade', 'baseline');
    // Nodes keep the image that a tag had: this one is that of the image for ever.
    const tag = `earlier-${release.site.image.slice(-12)}`;
    await tagImage(release.site.image, tag);
    await using earlier = await packageChart('0.0.9');
    const values = { replicaCount: 2, config: { reaper: { everyMs: 2_000 } } };
    await release.install({ chart: earlier.path, values: { ...values, image: { tag } } });
    await using worker = await openHost(release);
    const running = new RunningBuilds(worker, 20, spec);
    await running.start();
    const steps = await stepsOf(release);
    expect(steps).to.have.length(20);

    const first = await serviceOf(release);
    expect(first.images).to.deep.equal([tag, tag]);
    const [, builtMeanwhile] = await Promise.all([
      release.upgrade({ values: { ...values, config: { reaper: { everyMs: 1_000 } } } }),
      buildOnce(new RunningBuilds(worker, 2, spec, 'meanwhile')),
    ]);
    expect(builtMeanwhile).to.equal(true);
    const second = await serviceOf(release);
    expect(second.images).to.have.length(2).and.not.to.include(tag);
    expect(second.names).not.to.have.members(first.names);
    await release.rollback(1);
    expect((await serviceOf(release)).images).to.deep.equal([tag, tag]);

    // The same pods, and each command has run once.
    expect(await stepsOf(release)).to.include.members(steps);
    expect(await running.finish()).to.deep.equal(running.expected);
    // The reaper of the service deletes the pods.
    while ((await stepsOf(release)).length > 0) await sleep(200);
  });
});

/** Returns the names of the pods of steps, with how often they have started. */
async function stepsOf({ core, namespace }: Release): Promise<readonly string[]> {
  const { items } = await core.listNamespacedPod({ namespace, labelSelector: stepLabels });
  const restarts = ({ status }: V1Pod): number => status?.containerStatuses?.[0]?.restartCount ?? 0;
  return items.map((pod) => `${pod.metadata?.name}, restarted ${restarts(pod)} times`);
}

async function serviceOf(
  release: Release,
): Promise<{ readonly names: readonly string[]; readonly images: readonly string[] }> {
  const pods = await release.pods();
  return {
    names: pods.map(({ metadata }) => metadata?.name ?? ''),
    images: pods.map(({ spec }) => spec?.containers[0]?.image?.split(':').at(-1) ?? ''),
  };
}

/** Runs builds from their start to their end, and returns whether each command has run once. */
async function buildOnce(builds: RunningBuilds): Promise<boolean> {
  await builds.start();
  const outputs = await builds.finish();
  return outputs.join() === builds.expected.join();
}
