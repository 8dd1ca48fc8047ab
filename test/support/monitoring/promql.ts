import { parser } from '@prometheus-io/lezer-promql';

/** A selector of series in an expression. */
export interface Selector {
  /** The name of the series. */
  readonly name: string;
  /** The names of the labels that it matches. */
  readonly labels: readonly string[];
}

export interface ParsedExpression {
  readonly selectors: readonly Selector[];
  /** The labels of `by`, `without`, `on` and `ignoring`. */
  readonly groupings: readonly string[];
}

/** Returns an expression of a panel with the values that Grafana would put in. */
export function withoutVariables(expr: string, window = '5m'): string {
  return expr.replaceAll('$__rate_interval', window).replaceAll(/\$(namespace|job|instance)\b/g, '.*');
}

/** Parses PromQL. @throws Error - the expression is invalid */
export function parseExpression(expr: string): ParsedExpression {
  const selectors: { name: string; labels: string[] }[] = [];
  const groupings = new Set<string>();
  const text = ({ from, to }: { readonly from: number; readonly to: number }): string => expr.slice(from, to);
  const tree = parser.parse(expr);
  tree.iterate({
    enter: (node) => {
      if (node.type.isError) throw new Error(`invalid at ${node.from}: ${expr}`);
      if (node.name === 'VectorSelector') {
        const name = node.node.getChild('Identifier');
        selectors.push({ name: name === null ? '' : text(name), labels: [] });
      }
      if (node.name === 'LabelName' && node.node.parent?.name === 'UnquotedLabelMatcher')
        selectors.at(-1)?.labels.push(text(node));
      if (node.name === 'LabelName' && node.node.parent?.name === 'GroupingLabels') groupings.add(text(node));
    },
  });
  return { selectors, groupings: [...groupings] };
}
