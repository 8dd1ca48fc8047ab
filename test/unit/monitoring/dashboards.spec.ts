import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect } from 'chai';

import { monitoringFiles } from '../../../charts/monitoring/files.ts';
import {
  type GeneratedPanel,
  generatedDashboards,
  generatedFolder,
  generatedPanels,
} from '../../support/monitoring/generated.ts';
import { parseExpression, withoutVariables } from '../../support/monitoring/promql.ts';

const panelsThat = (isWrong: (panel: GeneratedPanel) => boolean): readonly string[] =>
  generatedPanels()
    .filter(isWrong)
    .map(({ dashboard, title }) => `${dashboard}: ${title}`);

describe('the generated files of the chart', () => {
  it('are those that `npm run monitoring` writes', () => {
    for (const [path, text] of monitoringFiles())
      expect(readFileSync(join(generatedFolder, path), 'utf8')).to.equal(text);
  });
});

describe('the dashboards of the chart', () => {
  const dashboards = generatedDashboards();

  it('have an identity, a description and the tag by which they are found', () => {
    expect(dashboards.map(({ uid }) => uid)).to.deep.equal([
      'kubernetes-worker-internals',
      'kubernetes-worker-overview',
    ]);
    for (const { description, tags } of dashboards) {
      expect(description).to.contain('docs/monitoring.md');
      expect(tags).to.deep.equal(['kubernetes-worker']);
    }
  });

  it('have the rows of the design, each with panels', () => {
    const rows = dashboards.flatMap(({ panels }) =>
      panels.flatMap((panel, index) =>
        panel.type === 'row' ? [[panel.title, panels[index + 1]?.type !== 'row']] : [],
      ),
    );
    expect(rows).to.deep.equal([
      ['Streams and volumes', true],
      ['Kubernetes API and database', true],
      ['Process', true],
      ['Health', true],
      ['Work', true],
      ['Pod start', true],
      ['Service level objectives', true],
    ]);
  });

  it('have variables for the data source, the namespace, the job and the instance', () => {
    for (const { templating } of dashboards) {
      const [source, ...queried] = templating.list;
      expect(source).to.include({ name: 'datasource', type: 'datasource', query: 'prometheus' });
      expect(queried.map(({ name }) => name)).to.deep.equal(['namespace', 'job', 'instance']);
      for (const variable of queried)
        expect(variable).to.include({ type: 'query', multi: true, includeAll: true, allValue: '.*' });
    }
  });

  it('have panels with a title that occurs once', () => {
    const titles = generatedPanels().map(({ title }) => title);
    expect(titles.filter((title, index) => titles.indexOf(title) !== index)).to.deep.equal([]);
  });

  it('have panels that ask one question in their description', () => {
    expect(panelsThat(({ description }) => !/^[A-Z][^?.]+\?/.test(description))).to.deep.equal([]);
    expect(panelsThat(({ description }) => description.split('?').length !== 2)).to.deep.equal([]);
  });

  it('have panels with a unit', () => {
    expect(panelsThat(({ fieldConfig }) => (fieldConfig.defaults.unit ?? '') === '')).to.deep.equal([]);
  });

  it('have panels and queries that use the variable of the data source', () => {
    const uses = ({ uid }: { readonly uid: string }): boolean => uid === '${datasource}';
    expect(panelsThat(({ datasource }) => !uses(datasource))).to.deep.equal([]);
    expect(panelsThat(({ targets }) => !targets.every(({ datasource }) => uses(datasource)))).to.deep.equal([]);
  });

  it('have at most five queries in a panel, each with a name of its own', () => {
    const isWrong = ({ targets }: GeneratedPanel): boolean =>
      targets.length === 0 || targets.length > 5 || new Set(targets.map(({ refId }) => refId)).size < targets.length;
    expect(panelsThat(isWrong)).to.deep.equal([]);
    expect(panelsThat(({ targets }) => targets.some(({ legendFormat }) => legendFormat === ''))).to.deep.equal([]);
  });

  it('have queries that select the namespace, the job and the instance of each series', () => {
    const isWrong = ({ targets }: GeneratedPanel): boolean =>
      targets.some(({ expr }) =>
        parseExpression(withoutVariables(expr)).selectors.some(
          ({ labels }) => labels.slice(0, 3).join() !== 'namespace,job,instance',
        ),
      );
    expect(panelsThat(isWrong)).to.deep.equal([]);
  });

  it('have rates over the interval that Grafana chooses; only objectives and projections have a fixed window', () => {
    const fixed = panelsThat(({ targets }) => targets.some(({ expr }) => /\[\d+[smhd]/.test(expr)));
    expect(fixed).to.deep.equal([
      'kubernetes-worker-internals: Free bytes of the stores in a day',
      'kubernetes-worker-overview: Steps without a failure of the system',
      'kubernetes-worker-overview: Burn of the error budget',
    ]);
  });

  it('have panels that do not overlap and fit into the grid', () => {
    for (const { uid } of dashboards) {
      const cells = generatedPanels()
        .filter(({ dashboard }) => dashboard === uid)
        .flatMap(({ gridPos: { x, y, w, h } }) => {
          expect(x + w).to.be.at.most(24);
          return Array.from({ length: w * h }, (_, cell) => `${x + (cell % w)}/${y + Math.floor(cell / w)}`);
        });
      expect(new Set(cells).size).to.equal(cells.length);
    }
  });
});
