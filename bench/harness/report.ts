import type { Measured } from './measure.ts';

/** A row of the JSON file. */
export interface Row {
  readonly case: string;
  readonly unit: string;
  /** The median. */
  readonly ours: number;
  /** The median; null without a peer. */
  readonly peer: number | null;
  /** The ratio; above 1 means that our side is better. Null without a peer. */
  readonly ratio: number | null;
  /** A ratio with a peer, a value in `unit` without; null without a goal. */
  readonly goal: number | null;
  /** Every measurement, `[ours, peer]`. */
  readonly pairs: readonly (readonly [number, number | null])[];
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const [low, high] = [sorted[Math.floor((sorted.length - 1) / 2)], sorted[Math.ceil((sorted.length - 1) / 2)]];
  if (low === undefined || high === undefined) throw new RangeError('the median needs at least one value');
  return (low + high) / 2;
}

export function rowOf({ benchCase, ours, peer }: Measured): Row {
  const oursMedian = median(ours);
  const peerMedian = peer.length === 0 ? null : median(peer);
  return {
    case: benchCase.name,
    unit: benchCase.unit,
    ours: oursMedian,
    peer: peerMedian,
    ratio:
      peerMedian === null ? null : benchCase.better === 'higher' ? oursMedian / peerMedian : peerMedian / oursMedian,
    goal: benchCase.goal ?? null,
    pairs: ours.map((value, index) => [value, peer[index] ?? null]),
  };
}

/** Formats the rows as a table for people: medians, with minimum and maximum in brackets. */
export function tableOf(rows: readonly Row[]): string {
  const header = ['case', 'unit', 'ours', 'peer', 'ratio', 'goal', 'pairs'];
  const lines = rows.map((row) => [
    row.case,
    row.unit,
    spread(row.pairs.map(([ours]) => ours)),
    spread(row.pairs.map(([, peer]) => peer).filter((peer) => peer !== null)),
    row.ratio === null ? '–' : row.ratio.toFixed(2),
    row.goal === null ? '–' : String(row.goal),
    String(row.pairs.length),
  ]);
  const widths = header.map((title, column) =>
    Math.max(...[header, ...lines].map((line) => (line[column] ?? title).length)),
  );
  const aligned = (line: readonly string[]): string =>
    line
      .map((cell, column) => (column < 2 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  ');
  return [aligned(header), widths.map((width) => '-'.repeat(width)).join('  '), ...lines.map(aligned)].join('\n');
}

function spread(values: readonly number[]): string {
  if (values.length === 0) return '–';
  return `${median(values).toFixed(2)} (${Math.min(...values).toFixed(2)}–${Math.max(...values).toFixed(2)})`;
}
