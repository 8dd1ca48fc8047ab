import { expect } from 'chai';

import { chartFolder, type HelmVersion, helm, profileFile, profiles, renderText } from '../../support/chart/helm.ts';
import { parseObjects } from '../../support/chart/rendered-object.ts';
import { valueSets } from '../../support/chart/value-sets.ts';

describe('the chart in Helm 3 and 4', () => {
  it('has the profiles of the documentation', () => {
    expect(profiles).to.include.members(['gke', 'local', 'minimal', 'offline', 'production-ha']);
  });

  for (const version of [3, 4] as const)
    for (const profile of profiles)
      it(`passes helm lint --strict: ${profile}, Helm ${version}`, async () => {
        const printed = await lint(version, profile);
        expect(printed)
          .to.contain('1 chart(s) linted, 0 chart(s) failed')
          .and.not.match(/\[(WARNING|ERROR)\]/);
      });

  for (const { name, options } of valueSets)
    it(`has the same manifests in both, and at each rendering: ${name}`, async () => {
      const first = await renderText({ ...options, version: 4 });
      expect(await renderText({ ...options, version: 4 }), 'Helm 4 again').to.equal(first);
      const other = await renderText({ ...options, version: 3 });
      expect(documents(other), 'Helm 3').to.deep.equal(documents(first));
      expect(parseObjects(other), 'Helm 3, as objects').to.deep.equal(parseObjects(first));
    });

  it('has the description that Helm shows', async () => {
    const shown = await helm(['show', 'chart', chartFolder]);
    expect(shown)
      .to.match(/^name: kubernetes-worker$/m)
      .and.match(/^kubeVersion: /m)
      .and.match(/^appVersion: /m);
    expect(shown).not.to.contain('dependencies:');
  });
});

/** The documents of manifests. Helm 4 adds an empty line to each. */
function documents(manifests: string): readonly string[] {
  return manifests.split(/^---$/m).map((document) => document.trimEnd());
}

async function lint(version: HelmVersion, profile: string): Promise<string> {
  const args = ['lint', '--strict', chartFolder, '--values', profileFile(profile), '--kube-version', '1.34.0'];
  return await helm(args, { version });
}
