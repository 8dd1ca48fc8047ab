import { expect } from 'chai';

import { dryRun, dryRunPod, maybeRoot, podOf, privileged } from '../../support/chart/admission.ts';
import { defineCustomKinds } from '../../support/chart/custom-kinds.ts';
import { profiles, render } from '../../support/chart/helm.ts';
import { Release } from '../../support/chart/release.ts';
import type { RenderedObject } from '../../support/chart/rendered-object.ts';
import { rejection } from '../../support/rejection.ts';

/** Groups of kinds that a cluster has only with others' CustomResourceDefinitions. */
const customGroups = ['monitoring.coreos.com', 'argoproj.io'];
const isCustom = ({ apiVersion }: RenderedObject): boolean => customGroups.includes(apiVersion.split('/')[0]!);

describe('The objects of the chart', () => {
  let release: Release;

  const objectsOf = async (profile: string, values = {}): Promise<readonly RenderedObject[]> =>
    await render({ profile, values, namespace: release.namespace });

  before(async function () {
    release = await Release.prepare(this, 'admission');
  });

  after(async () => {
    await (release as Release | undefined)?.[Symbol.asyncDispose]();
  });

  for (const profile of profiles) {
    it(`are admitted with the profile ${profile}`, async () => {
      // A pod by itself needs its service account; the next test is about pods.
      const objects = (await objectsOf(profile)).filter((object) => !isCustom(object) && object.kind !== 'Pod');
      await Promise.all(objects.map(async (object) => await dryRun(release.kubeConfig, release.namespace, object)));
    });

    it(`make pods that the standard restricted accepts, with the profile ${profile}`, async () => {
      const { kubeConfig, namespace } = release;
      const pods = (await objectsOf(profile)).map(podOf).filter((pod) => pod !== undefined);
      expect(pods).not.to.have.length(0);
      for (const pod of pods) {
        await dryRunPod(kubeConfig, namespace, pod);
        for (const changed of [maybeRoot(pod), privileged(pod)])
          expect(await bodyOf(dryRunPod(kubeConfig, namespace, changed))).to.include('violates PodSecurity');
      }
    });
  }

  it('of kinds of others are refused by name on a cluster without them, and admitted with them', async () => {
    const { kubeConfig, namespace } = release;
    const values = { serviceMonitor: { enabled: true }, prometheusRule: { enabled: true } };
    const error = await rejection(release.install({ values }));
    expect(error.message).to.match(/no matches for kind "(ServiceMonitor|PrometheusRule)"/);
    const rollout = await rejection(release.install({ values: { rollout: { enabled: true } } }));
    expect(rollout.message).to.include('no matches for kind "Rollout"');
    const objects = [
      ...(await objectsOf('minimal', values)),
      ...(await objectsOf('minimal', { rollout: { enabled: true } })),
    ].filter(isCustom);
    expect(objects.map(({ kind }) => kind)).to.have.members(['ServiceMonitor', 'PrometheusRule', 'Rollout']);
    await using _definitions = await defineCustomKinds(kubeConfig);
    for (const object of objects) await dryRun(kubeConfig, namespace, object);
  });
});

/** Returns the answer of an API server that refuses. */
async function bodyOf(promise: Promise<void>): Promise<string> {
  const error = await rejection(promise);
  return 'body' in error ? String(error.body) : String(error);
}
