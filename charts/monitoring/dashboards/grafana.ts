import * as common from '@grafana/grafana-foundation-sdk/common';
import * as dashboard from '@grafana/grafana-foundation-sdk/dashboard';
import * as heatmap from '@grafana/grafana-foundation-sdk/heatmap';
import * as prometheus from '@grafana/grafana-foundation-sdk/prometheus';
import * as stat from '@grafana/grafana-foundation-sdk/stat';
import * as timeseries from '@grafana/grafana-foundation-sdk/timeseries';

import type { Dashboard, Panel } from './panel.ts';

const datasource: common.DataSourceRef = { type: 'prometheus', uid: '${datasource}' };
/** All processes that use the library have this series from their start on. */
const everywhere = 'kubernetes_worker_operation_results_total';
const panelHeight = 8;
const panelsInRow = 3;
const gridWidth = 24;

/** Returns a dashboard as Grafana imports it. */
export function grafanaDashboard({ uid, title, description, rows }: Dashboard): dashboard.Dashboard {
  const builder = new dashboard.DashboardBuilder(title)
    .uid(uid)
    .description(description)
    .tags(['kubernetes-worker'])
    .timezone('browser')
    .refresh('1m')
    .time({ from: 'now-6h', to: 'now' })
    .tooltip(dashboard.DashboardCursorSync.Crosshair)
    .withVariable(new dashboard.DatasourceVariableBuilder('datasource').label('Data source').type('prometheus'));
  for (const variable of variables()) builder.withVariable(variable);
  for (const row of rows) {
    builder.withRow(new dashboard.RowBuilder(row.title));
    for (const panel of row.panels) builder.withPanel(grafanaPanel(panel));
  }
  return builder.build();
}

/** Each variable offers what the ones before it leave. */
function variables(): readonly dashboard.QueryVariableBuilder[] {
  const labels = ['namespace', 'job', 'instance'];
  return labels.map((label, index) => {
    const selector = labels.slice(0, index).map((before) => `${before}=~"$${before}"`);
    return new dashboard.QueryVariableBuilder(label)
      .label(label)
      .datasource(datasource)
      .query({ query: `label_values(${everywhere}{${selector.join(',')}}, ${label})`, refId: label })
      .refresh(dashboard.VariableRefresh.OnTimeRangeChanged)
      .multi(true)
      .includeAll(true)
      .allValue('.*')
      .current({ text: 'All', value: '$__all' });
  });
}

type PanelBuilder = timeseries.PanelBuilder | stat.PanelBuilder | heatmap.PanelBuilder;

function grafanaPanel(panel: Panel): PanelBuilder {
  const { title, description, unit, queries, limit } = panel;
  const builder: PanelBuilder = ofKind(panel)
    .title(title)
    .description(description)
    .datasource(datasource)
    .unit(unit)
    .height(panelHeight)
    .span(gridWidth / panelsInRow);
  if (limit !== undefined) builder.thresholds(redFrom(limit));
  for (const [index, { expr, legend }] of queries.entries()) {
    const query = new prometheus.DataqueryBuilder()
      .refId(String.fromCharCode('A'.charCodeAt(0) + index))
      .datasource(datasource)
      .expr(expr)
      .legendFormat(legend)
      .range();
    builder.withTarget(panel.kind === 'heatmap' ? query.format(prometheus.PromQueryFormat.Heatmap) : query);
  }
  return builder;
}

function ofKind({ kind = 'lines', limit }: Panel): PanelBuilder {
  if (kind === 'heatmap') return new heatmap.PanelBuilder().calculate(false);
  if (kind === 'number')
    return new stat.PanelBuilder()
      .reduceOptions(new common.ReduceDataOptionsBuilder().calcs(['lastNotNull']))
      .colorMode(common.BigValueColorMode.Value);
  const lines = new timeseries.PanelBuilder()
    .min(0)
    .fillOpacity(kind === 'stacked' ? 40 : 5)
    .legend(new common.VizLegendOptionsBuilder().showLegend(true).displayMode(common.LegendDisplayMode.List));
  if (kind === 'stacked') lines.stacking(new common.StackingConfigBuilder().mode(common.StackingMode.Normal));
  if (limit !== undefined) lines.thresholdsStyle(new common.GraphThresholdsStyleConfigBuilder().mode(dashed));
  return lines;
}

const dashed = common.GraphThresholdsStyleMode.Dashed;

function redFrom(limit: number): dashboard.ThresholdsConfigBuilder {
  const steps = [
    { value: null, color: 'green' },
    { value: limit, color: 'red' },
  ];
  return new dashboard.ThresholdsConfigBuilder().mode(dashboard.ThresholdsMode.Absolute).steps(steps);
}
