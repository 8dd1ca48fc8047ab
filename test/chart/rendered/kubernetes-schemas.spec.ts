import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { expect } from 'chai';

import { renderText } from '../../support/chart/helm.ts';
import { type Outcome, runChartProgram } from '../../support/chart/programs.ts';
import { parseObjects } from '../../support/chart/rendered-object.ts';
import { valueSets } from '../../support/chart/value-sets.ts';

const script = fileURLToPath(new URL('../../../scripts/chart-schemas.ts', import.meta.url));

interface Report {
  readonly resources?: readonly { readonly kind: string; readonly name: string; readonly msg: string }[];
  readonly summary: Readonly<Record<'valid' | 'invalid' | 'errors' | 'skipped', number>>;
}

describe('the objects of the chart and the schemas of Kubernetes, the Prometheus operator and Argo Rollouts', () => {
  let schemas: string;

  before(async function () {
    // The first time, Go downloads the modules.
    this.timeout(300_000);
    const { stdout } = await promisify(execFile)(process.execPath, [script]);
    schemas = stdout.trim();
  });

  for (const { name, options } of valueSets)
    it(`agree: ${name}`, async () => {
      const manifests = await renderText(options);
      const report = await compare(manifests);
      expect(report.resources ?? []).to.deep.equal([]);
      const { length: valid } = parseObjects(manifests);
      expect(report.summary).to.deep.equal({ valid, invalid: 0, errors: 0, skipped: 0 });
    });

  for (const [title, right, wrong, message] of [
    ['a misspelt key', 'replicas: ', 'replicaz: ', "additional properties 'replicaz' not allowed"],
    [
      'a key in the wrong place',
      'enableServiceLinks: false',
      'readOnlyRootFilesystem: true',
      "additional properties 'readOnlyRootFilesystem' not allowed",
    ],
    ['a wrong type', 'enableServiceLinks: false', 'enableServiceLinks: "no"', 'got string, want boolean'],
    ['an unknown kind', 'kind: Deployment', 'kind: Deploiment', 'could not find schema for Deploiment'],
    [
      'a version that Kubernetes no longer has',
      'apiVersion: apps/v1',
      'apiVersion: extensions/v1beta1',
      'could not find schema for Deployment',
    ],
  ] as const)
    it(`do not agree on ${title}`, async () => {
      const manifests = await renderText({ profile: 'minimal' });
      expect(manifests).to.contain(right);
      const report = await compare(manifests.replaceAll(right, wrong));
      expect(report.resources?.map(({ msg }) => msg).join('\n')).to.contain(message);
    });

  it('do not agree on a misspelt key of a custom resource', async () => {
    const values = { serviceMonitor: { enabled: true, metricRelabelings: [{ action: 'drop', sourceLabelz: ['a'] }] } };
    const report = await compare(await renderText({ profile: 'minimal', values }));
    expect(report.resources?.map(({ kind, msg }) => `${kind}: ${msg}`))
      .to.match(/^ServiceMonitor: .*'sourceLabelz' not allowed/)
      .length(1);
  });

  async function compare(input: string): Promise<Report> {
    const args = [
      '-strict',
      '-summary',
      '-output',
      'json',
      '-schema-location',
      `${schemas}/{{.ResourceKind}}{{.KindSuffix}}.json`,
    ];
    const outcome: Outcome = await runChartProgram('kubeconform', args, { input });
    const report = JSON.parse(outcome.stdout) as Report;
    expect(outcome.status === 0, outcome.stderr).to.equal((report.resources ?? []).length === 0);
    return report;
  }
});
