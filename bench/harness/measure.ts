import type { BenchCase, BenchContext } from './benchmark.ts';

/** The measurements of one case, in order. */
export interface Measured {
  readonly benchCase: BenchCase;
  readonly ours: readonly number[];
  /** As many as ours, or none without a peer. */
  readonly peer: readonly number[];
}

/**
 * Runs a case's pairs in turn: ours, peer, ours, peer, … The number of pairs is `pairs`, or else
 * that of the case.
 */
export async function measure(
  benchCase: BenchCase,
  context: BenchContext,
  { pairs = benchCase.pairs ?? 5 }: { readonly pairs?: number | undefined } = {},
): Promise<Measured> {
  const { warmUps = 1 } = benchCase;
  const measured = { benchCase, ours: [] as number[], peer: [] as number[] };
  for (let pair = -warmUps; pair < pairs; pair += 1) {
    context.signal.throwIfAborted();
    const ours = await benchCase.ours(context);
    const peer = await benchCase.peer?.(context);
    const label = pair < 0 ? 'warm-up' : `pair ${String(pair + 1)}/${String(pairs)}`;
    context.log(
      `${benchCase.name}: ${label}: ours ${ours.toFixed(2)}${peer === undefined ? '' : `, peer ${peer.toFixed(2)}`} ${benchCase.unit}`,
    );
    if (pair < 0) continue;
    measured.ours.push(ours);
    if (peer !== undefined) measured.peer.push(peer);
  }
  return measured;
}
