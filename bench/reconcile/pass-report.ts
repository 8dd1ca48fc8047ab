import type { KubernetesWorker } from 'kubernetes-worker';

import type { BenchCase } from '../harness/benchmark.ts';
import { memoryOf, resetPeak } from '../memory/peak-memory.ts';
import type { CountedDatabase } from './counted-database.ts';

/** One pass of the reaper. */
interface PassReport {
  readonly tookMs: number;
  /** The processor time of this process; with PGlite, the database's too. */
  readonly cpuMs: number;
  readonly statements: number;
  /** The peak of this process's resident memory above its start; with PGlite, the database's too. */
  readonly peakMiB: number;
}

/** What a pass has to delete. */
export interface Expected {
  readonly deletedVolumes?: number;
  readonly deletedContainers?: number;
  readonly deletedPods: number;
}

/**
 * Returns a case for each figure of a pass. The first one of a run measures the pass; the others
 * report its figures.
 *
 * @param prepare - creates what the pass deletes
 */
export function passCases(
  { name, goalMs, pairs = 3 }: { readonly name: string; readonly goalMs?: number; readonly pairs?: number },
  worker: KubernetesWorker,
  { statements }: CountedDatabase,
  prepare: () => Promise<Expected>,
): readonly BenchCase[] {
  const done: PassReport[] = [];
  const measure = async (): Promise<PassReport> => {
    const expected = await prepare();
    await resetPeak(process.pid);
    const { resident } = await memoryOf(process.pid);
    const [before, startedAt, cpu] = [statements(), performance.now(), process.cpuUsage()];
    const result = await worker.reap();
    const tookMs = performance.now() - startedAt;
    const { user, system } = process.cpuUsage(cpu);
    for (const [count, value] of Object.entries(expected))
      if (result[count as keyof Expected] !== value) throw new Error(`the pass has reported ${JSON.stringify(result)}`);
    const { peakResident } = await memoryOf(process.pid);
    return {
      tookMs,
      cpuMs: (user + system) / 1_000,
      statements: statements() - before,
      peakMiB: peakResident - resident,
    };
  };
  const figure = (what: string, unit: string, of: (report: PassReport) => number): BenchCase => {
    let next = 0;
    return {
      name: `${name}: ${what}`,
      unit,
      better: 'lower',
      pairs,
      warmUps: 0,
      ...(what === 'time' && goalMs !== undefined ? { goal: goalMs } : {}),
      ours: async () => {
        const report = done[next] ?? (await measure());
        done[next] = report;
        next += 1;
        return of(report);
      },
    };
  };
  return [
    figure('time', 'ms', ({ tookMs }) => tookMs),
    figure('processor time', 'ms', ({ cpuMs }) => cpuMs),
    figure('statements', '', (report) => report.statements),
    figure('peak of resident memory above the start', 'MiB', ({ peakMiB }) => peakMiB),
  ];
}
