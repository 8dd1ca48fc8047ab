import type { ChartValue } from './chart-values.ts';

const begin = '<!-- values: written by scripts/chart.ts -->';
const end = '<!-- end of values -->';

/**
 * Returns the text of a document with the table of all values between its two marks.
 *
 * @throws if a mark is missing
 */
export function withValuesTable(document: string, values: readonly ChartValue[]): string {
  const [before, rest] = document.split(begin);
  const after = rest?.split(end)[1];
  if (before === undefined || after === undefined) throw new Error(`the document has no ${begin} … ${end}`);
  return `${before}${begin}\n\n${valuesTable(values)}\n\n${end}${after}`;
}

function valuesTable(values: readonly ChartValue[]): string {
  const rows = values.flatMap(leavesOf).map(({ path, default: value, description }) => {
    const shown = isEmpty(value) ? '' : `\`${escape(JSON.stringify(value))}\``;
    return `| \`${path}\` | ${shown} | ${escape(description)} |`;
  });
  return ['| value | default | description |', '|---|---|---|', ...rows].join('\n');
}

function leavesOf(value: ChartValue): readonly ChartValue[] {
  return value.children.length > 0 ? value.children.flatMap(leavesOf) : [value];
}

/** Whether the value renders nothing. */
function isEmpty(value: unknown): boolean {
  if (value === null || value === '') return true;
  return typeof value === 'object' && Object.keys(value).length === 0;
}

function escape(cell: string): string {
  return cell.replaceAll('|', '\\|');
}
