import { expect } from 'chai';

import type { BenchCase, BenchContext } from '../../../bench/harness/benchmark.ts';
import { measure } from '../../../bench/harness/measure.ts';
import { median, rowOf, tableOf } from '../../../bench/harness/report.ts';
import { rejection } from '../../support/rejection.ts';

describe('the bench harness', () => {
  let order: string[];
  let lines: string[];
  let context: BenchContext;

  const benchCase = (some: Partial<BenchCase>): BenchCase => ({
    name: 'up',
    unit: 'MiB/s',
    better: 'higher',
    pairs: 3,
    warmUps: 1,
    ours: async () => order.push('ours'),
    peer: async () => order.push('peer'),
    ...some,
  });

  beforeEach(() => {
    order = [];
    lines = [];
    context = { signal: new AbortController().signal, log: (line) => lines.push(line), setting: () => '' };
  });

  it('measures in turn, and discards the warm-up', async () => {
    const measured = await measure(benchCase({}), context);
    expect(order).to.deep.equal(['ours', 'peer', 'ours', 'peer', 'ours', 'peer', 'ours', 'peer']);
    expect(measured.ours).to.deep.equal([3, 5, 7]);
    expect(measured.peer).to.deep.equal([4, 6, 8]);
    expect(lines).to.have.length(4);
  });

  it('measures the number of pairs of the command line, and else that of the case', async () => {
    expect((await measure(benchCase({}), context, { pairs: 1 })).ours).to.have.length(1);
    expect((await measure(benchCase({}), context, { pairs: undefined })).ours).to.have.length(3);
  });

  it('measures a case without a peer', async () => {
    const row = rowOf(await measure(benchCase({ peer: undefined, goal: 64 }), context));
    expect(row).to.include({ ours: 3, peer: null, ratio: null, goal: 64 });
    expect(row.pairs).to.deep.equal([
      [2, null],
      [3, null],
      [4, null],
    ]);
  });

  it('rejects if one side fails', async () => {
    const broken = new Error('digest');
    expect(await rejection(measure(benchCase({ ours: () => Promise.reject(broken) }), context))).to.equal(broken);
  });

  it('stops between pairs when it is interrupted', async () => {
    const reason = new Error('interrupted');
    expect(await rejection(measure(benchCase({}), { ...context, signal: AbortSignal.abort(reason) }))).to.equal(reason);
    expect(order).to.deep.equal([]);
  });

  it('has a ratio above 1 if our side is better, for both directions', () => {
    const measured = { ours: [20, 10, 30], peer: [10, 5, 40] };
    expect(rowOf({ benchCase: benchCase({ better: 'higher' }), ...measured }).ratio).to.equal(2);
    expect(rowOf({ benchCase: benchCase({ better: 'lower' }), ...measured }).ratio).to.equal(0.5);
  });

  it('returns the mean of the two middle values for an even number of measurements', () => {
    expect(median([4, 1, 3, 2])).to.equal(2.5);
  });

  it('prints medians with minimum and maximum', () => {
    const table = tableOf([rowOf({ benchCase: benchCase({ goal: 1.1 }), ours: [3, 1, 2], peer: [1, 1, 1] })]);
    expect(table.split('\n')[2]).to.match(/^up +MiB\/s +2\.00 \(1\.00–3\.00\) +1\.00 \(1\.00–1\.00\) +2\.00 +1\.1 +3$/);
  });
});
