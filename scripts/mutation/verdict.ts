import type { Mutant } from '../mutant.ts';
import type { SpecRun, WorkingCopy } from './working-copy.ts';

export interface Verdict {
  readonly mutant: Mutant;
  /**
   * `unproven`: the specs fail without the change, or run no test. `broken`: the change does not
   * build or load.
   */
  readonly outcome: 'killed' | 'survived' | 'unproven' | 'broken';
  readonly detail: string;
  readonly seconds: number;
}

function lastLines(text: string): string {
  return text.trimEnd().split('\n').slice(-30).join('\n');
}

function firstFailure({ output }: SpecRun): string {
  return /^ {2}1\) (?:.*\n)+?\n/m.exec(output)?.[0].trim().replaceAll(/\s+/g, ' ').slice(0, 160) ?? '';
}

async function outcomeOf(copy: WorkingCopy, mutant: Mutant): Promise<Pick<Verdict, 'outcome' | 'detail'>> {
  const before = await copy.baseline(mutant.killedBy);
  if (before.totals === undefined || before.totals.failed > 0 || before.totals.passed === 0)
    return { outcome: 'unproven', detail: `without the change:\n${lastLines(before.output)}` };
  const revert = await copy.apply(mutant);
  try {
    const problem = await copy.build();
    if (problem !== undefined) return { outcome: 'broken', detail: lastLines(problem) };
    const after = await copy.specs(mutant.killedBy);
    if (after.timedOut) return { outcome: 'killed', detail: 'the specs did not end' };
    if (after.totals === undefined) return { outcome: 'broken', detail: lastLines(after.output) };
    if (after.totals.failed > 0) return { outcome: 'killed', detail: firstFailure(after) };
    return {
      outcome: 'survived',
      detail: `${String(after.totals.passed)} tests of ${mutant.killedBy.specs.join(', ')} pass`,
    };
  } finally {
    await revert();
    await copy.build();
  }
}

export async function judge(copy: WorkingCopy, mutant: Mutant): Promise<Verdict> {
  const startedAt = performance.now();
  const outcome = await outcomeOf(copy, mutant);
  return { mutant, ...outcome, seconds: (performance.now() - startedAt) / 1000 };
}

export function describeVerdict({ mutant, outcome, detail, seconds }: Verdict): string {
  return `${outcome.padEnd(8)} ${seconds.toFixed(1).padStart(6)} s  ${mutant.name} (${mutant.file})\n${detail.replaceAll(/^/gm, '         | ')}`;
}
