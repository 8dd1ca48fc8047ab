// Measures many containers at once, from the call to the first byte of a command in each, beside the
// same number of bare pods that kubectl creates and waits for. Also measures what they cost.
// Needs KUBECONFIG, kubectl on PATH, and nodes with room for the pods.
//   npm run bench -- pods --pairs 3
import { PGlite } from '@electric-sql/pglite';

import { UsageError } from '../harness/arguments.ts';
import { AsyncStack } from '../harness/async-stack.ts';
import type { BenchCase, Benchmark } from '../harness/benchmark.ts';
import { requireRealCluster } from '../harness/real-cluster.ts';
import { HostChild } from '../host/host-child.ts';
import type { StepsReport } from '../host/host-messages.ts';
import { barePods } from '../pods/bare-pods.ts';

export const benchmark: Benchmark = {
  settings: {
    counts: { value: '50,200', meaning: 'the numbers of containers' },
    image: { value: 'registry.local/busybox:1', meaning: 'of the pods: with echo and sleep' },
  },
  open: async ({ setting }) => {
    const kubeconfig = requireRealCluster();
    const counts = setting('counts').split(',').map(Number);
    if (!counts.every((count) => Number.isSafeInteger(count) && count > 0))
      throw new UsageError('counts: numbers above 0, with commas between them');
    const image = setting('image');
    await using opened = new AsyncStack();
    const database = opened.use(await PGlite.create(), (pglite) => pglite.close());
    const host = opened.use(new HostChild(database), (child) => child[Symbol.asyncDispose]());
    await host.execute({ kind: 'open', kubeconfig, image, pods: 0 });
    opened.use(host, (child) => child.execute({ kind: 'close' }));
    const kept = opened.keep();
    return {
      cases: counts.flatMap((count) => casesOf(count, host, () => barePods(kubeconfig, image, count))),
      [Symbol.asyncDispose]: () => kept[Symbol.asyncDispose](),
    };
  },
};

const pairs = 3;

/** The first case measures; the others report further figures of the same runs. */
function casesOf(count: number, host: HostChild, peer: () => Promise<number>): readonly BenchCase[] {
  const reports: StepsReport[] = [];
  const run = async (): Promise<StepsReport> =>
    JSON.parse((await host.execute({ kind: 'steps', count })).output) as StepsReport;
  const figure = (name: string, unit: string, of: (report: StepsReport) => number, goal?: number): BenchCase => {
    const left: StepsReport[] = [];
    let isBegun = false;
    return {
      name: `${String(count)} at once, ${name}`,
      unit,
      better: 'lower',
      goal,
      pairs,
      warmUps: 0,
      ours: async () => {
        if (!isBegun) left.push(...reports);
        isBegun = true;
        return of(left.shift() ?? (await run()));
      },
    };
  };
  return [
    {
      name: `${String(count)} containers at once, to the first byte of the last`,
      unit: 'ms',
      better: 'lower',
      goal: 1,
      pairs,
      warmUps: 0,
      ours: async () => {
        const report = await run();
        reports.push(report);
        return report.firstByteMs.at(-1) ?? Number.NaN;
      },
      peer,
    },
    figure('first byte, p50', 'ms', ({ firstByteMs }) => quantile(firstByteMs, 0.5)),
    figure('first byte, p95', 'ms', ({ firstByteMs }) => quantile(firstByteMs, 0.95)),
    figure('requests to the API server for each', '', ({ apiRequests }) => apiRequests / count),
    figure('execs for each', '', ({ execs }) => execs / count),
    figure('watches opened', '', ({ watches }) => watches),
    figure('processor time of the host for each', 'ms', ({ cpuMs }) => cpuMs / count, 50),
    figure('resident memory of the host', 'MiB', ({ residentMiB }) => residentMiB),
  ];
}

function quantile(sorted: readonly number[], part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? Number.NaN;
}
