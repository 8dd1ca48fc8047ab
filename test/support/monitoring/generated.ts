import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { parse } from 'yaml';

/** The folder of the chart with the generated files. */
export const generatedFolder = fileURLToPath(new URL('../../../charts/kubernetes-worker/files/', import.meta.url));

/** The file with the alerts. */
export const alertsFile = join(generatedFolder, 'alerts.yaml');

/** A panel as it is in the JSON of a dashboard. */
export interface GeneratedPanel {
  readonly dashboard: string;
  readonly type: string;
  readonly title: string;
  readonly description: string;
  readonly datasource: { readonly type: string; readonly uid: string };
  readonly fieldConfig: { readonly defaults: { readonly unit?: string } };
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets: readonly {
    readonly refId: string;
    readonly expr: string;
    readonly legendFormat: string;
    readonly datasource: { readonly uid: string };
  }[];
}

export interface GeneratedDashboard {
  readonly uid: string;
  readonly title: string;
  readonly description: string;
  readonly tags: readonly string[];
  readonly panels: readonly (GeneratedPanel | { readonly type: 'row'; readonly title: string })[];
  readonly templating: {
    readonly list: readonly {
      readonly name: string;
      readonly type: string;
      readonly multi?: boolean;
      readonly includeAll?: boolean;
      readonly allValue?: string;
      readonly query?: unknown;
    }[];
  };
}

export interface GeneratedAlert {
  readonly group: string;
  readonly alert: string;
  readonly expr: string;
  readonly for: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

/** Returns the dashboards that the chart contains. */
export function generatedDashboards(): readonly GeneratedDashboard[] {
  const folder = join(generatedFolder, 'dashboards');
  return readdirSync(folder).map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as GeneratedDashboard);
}

/** Returns the panels of all dashboards, without the rows. */
export function generatedPanels(): readonly GeneratedPanel[] {
  return generatedDashboards().flatMap(({ uid, panels }) =>
    panels.flatMap((panel) => (panel.type === 'row' ? [] : [{ ...(panel as GeneratedPanel), dashboard: uid }])),
  );
}

/** Returns the alerts that the chart contains. */
export function generatedAlerts(): readonly GeneratedAlert[] {
  const { groups } = parse(readFileSync(alertsFile, 'utf8')) as {
    groups: { name: string; rules: Omit<GeneratedAlert, 'group'>[] }[];
  };
  return groups.flatMap(({ name, rules }) => rules.map((rule) => ({ ...rule, group: name })));
}
