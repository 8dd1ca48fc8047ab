/** One line, bar or number of a panel. */
export interface Query {
  /** PromQL, with `$__rate_interval` for windows of rates. */
  readonly expr: string;
  /** The name in the legend, which may use labels: `{{state}}`. */
  readonly legend: string;
}

/** A panel. It answers one question. */
export interface Panel {
  readonly title: string;
  /** The question, and what a bad answer looks like. */
  readonly description: string;
  /** A unit of Grafana. */
  readonly unit: Unit;
  /** @defaultValue `lines` */
  readonly kind?: 'lines' | 'stacked' | 'number' | 'heatmap' | undefined;
  /** A value from which on the panel is red. */
  readonly limit?: number | undefined;
  readonly queries: readonly Query[];
}

/** The units that panels use, as Grafana names them. */
export type Unit =
  | 's'
  | 'bytes'
  | 'Bps'
  | 'percentunit'
  | 'ops'
  | 'reqps'
  | 'short'
  | 'bool_yes_no'
  | 'dateTimeFromNow';

export interface Row {
  readonly title: string;
  readonly panels: readonly Panel[];
}

export interface Dashboard {
  /** The name of the file, and the identity in Grafana. */
  readonly uid: string;
  readonly title: string;
  readonly description: string;
  readonly rows: readonly Row[];
}

/** The processes that the variables of a dashboard select. */
export const selected = 'namespace=~"$namespace",job=~"$job",instance=~"$instance"';

/** Returns a series of the selected processes. */
export function series(name: string, labels = ''): string {
  return `kubernetes_worker_${name}{${selected}${labels === '' ? '' : `,${labels}`}}`;
}

/** Returns the increase of a counter in a second. */
export function rateOf(name: string, labels = ''): string {
  return `rate(${series(name, labels)}[$__rate_interval])`;
}

/** Returns a quantile of a histogram, by labels. */
export function quantileOf(quantile: number, name: string, { labels = '', by = [] as readonly string[] } = {}): string {
  const groups = ['le', ...by].join(', ');
  return `histogram_quantile(${String(quantile)}, sum by (${groups}) (${rateOf(`${name}_bucket`, labels)}))`;
}
