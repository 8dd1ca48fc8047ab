// Measures many containers at once, from the call to the first byte of a command in each. Beside them,
// kubectl creates the same number of bare pods and watches until they are ready: its first bytes are
// the reports that the pods are ready. Also measures what both cost: requests, watches, processor
// time and memory.
// Needs KUBECONFIG, kubectl on PATH, and nodes with room for the pods of one side at a time.
//   npm run bench -- pods --pairs 3
import { PGlite } from '@electric-sql/pglite';

import { UsageError } from '../harness/arguments.ts';
import { AsyncStack } from '../harness/async-stack.ts';
import type { BenchCase, Benchmark } from '../harness/benchmark.ts';
import { requireRealCluster } from '../harness/real-cluster.ts';
import { HostChild } from '../host/host-child.ts';
import type { StepsReport } from '../host/host-messages.ts';
import { type BarePodsReport, barePods } from '../pods/bare-pods.ts';
import { lackOfRoom, nodeRoom } from '../pods/node-room.ts';

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
    const room = await nodeRoom(kubeconfig);
    for (const count of counts) {
      const lack = lackOfRoom(count, room);
      if (lack !== undefined) throw new UsageError(lack);
    }
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

/** Measures one side, and gives each figure of a case the same runs, in their order. */
class Runs<Report> {
  readonly #measure: () => Promise<Report>;
  readonly #done: Report[] = [];
  readonly #used = new Map<string, number>();

  constructor(measure: () => Promise<Report>) {
    this.#measure = measure;
  }

  /** Returns the next report for this figure: of an earlier run if another figure has made one. */
  async next(figure: string): Promise<Report> {
    const index = this.#used.get(figure) ?? 0;
    this.#used.set(figure, index + 1);
    const report = this.#done[index] ?? (await this.#measure());
    this.#done[index] = report;
    return report;
  }
}

/** A figure of both sides. `undefined`: kubectl has none. */
interface Figure {
  readonly name: string;
  readonly unit: string;
  readonly ours: (report: StepsReport) => number;
  readonly peer?: ((report: BarePodsReport) => number) | undefined;
  readonly goal?: number | undefined;
}

function figuresOf(count: number): readonly Figure[] {
  return [
    {
      name: `${String(count)} containers at once, to the first byte of the last`,
      unit: 'ms',
      ours: ({ firstByteMs }) => quantile(firstByteMs, 1),
      peer: ({ readyMs }) => quantile(readyMs, 1),
      goal: 1,
    },
    ...[0.5, 0.95].map((part) => ({
      name: `${String(count)} at once, first byte, p${String(part * 100)}`,
      unit: 'ms',
      ours: ({ firstByteMs }: StepsReport) => quantile(firstByteMs, part),
      peer: ({ readyMs }: BarePodsReport) => quantile(readyMs, part),
    })),
    {
      name: `${String(count)} at once, requests to the API server for each`,
      unit: '',
      ours: ({ apiRequests }) => apiRequests / count,
      peer: ({ requests }) => requests / count,
    },
    { name: `${String(count)} at once, execs for each`, unit: '', ours: ({ execs }) => execs / count },
    {
      name: `${String(count)} at once, watches opened`,
      unit: '',
      ours: ({ watches }) => watches,
      peer: ({ watches }) => watches,
    },
    {
      name: `${String(count)} at once, processor time of the host for each`,
      unit: 'ms',
      ours: ({ cpuMs }) => cpuMs / count,
      goal: 50,
    },
    {
      name: `${String(count)} at once, processor time for each, beside kubectl`,
      unit: 'ms',
      ours: ({ cpuMs }) => cpuMs / count,
      peer: ({ cpuMs }) => cpuMs / count,
    },
    {
      name: `${String(count)} at once, resident memory of the host`,
      unit: 'MiB',
      ours: ({ residentMiB }) => residentMiB,
      peer: ({ residentMiB }) => residentMiB,
    },
  ];
}

function casesOf(count: number, host: HostChild, bare: () => Promise<BarePodsReport>): readonly BenchCase[] {
  const steps = new Runs(async () => JSON.parse((await host.execute({ kind: 'steps', count })).output) as StepsReport);
  const peers = new Runs(bare);
  return figuresOf(count).map(({ name, unit, ours, peer, goal }) => ({
    name,
    unit,
    better: 'lower',
    goal,
    pairs,
    warmUps: 0,
    ours: async () => ours(await steps.next(name)),
    peer: peer === undefined ? undefined : async () => peer(await peers.next(name)),
  }));
}

function quantile(sorted: readonly number[], part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? Number.NaN;
}
