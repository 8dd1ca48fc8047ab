// Applies the mutants of test/mutations one by one, each in a copy of the tree, and runs the specs
// that must detect them.
//
//   npm run mutate agent|host|model [NAME…]   all mutants of the list, or those that match a word
//
// Each spec first runs without a change: a test that fails anyway, or that does not run, proves
// nothing. Two run at once and may disturb each other: a mutant that is not killed is judged once
// more, alone. Exits with 1 if one is then still not killed, if its text does not occur exactly
// once, or if the change does not build or load.
import { availableParallelism } from 'node:os';

import type { Mutant } from './mutant.ts';
import { isListName, MutantList } from './mutation/mutant-list.ts';
import { describeVerdict, judge, type Verdict } from './mutation/verdict.ts';
import { WorkingCopy } from './mutation/working-copy.ts';

const maxConcurrent = 2;

const [list, ...words] = process.argv.slice(2);
if (!isListName(list)) {
  console.error('usage: npm run mutate agent|host|model [NAME…]');
  process.exit(2);
}

const { mutants, problems } = await MutantList.load(list, words);
for (const problem of problems) console.error(problem);
if (mutants.length === 0) {
  console.error('no mutant matches these words');
  process.exit(2);
}

/** Judges the mutants, at most `concurrency` at once. Returns the verdicts other than `killed`. */
async function living(waiting: Mutant[], concurrency: number): Promise<readonly Verdict[]> {
  const verdicts: Verdict[] = [];
  await Promise.all(
    Array.from({ length: Math.min(concurrency, waiting.length) }, async () => {
      await using copy = await WorkingCopy.create(list === 'agent');
      for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
        const verdict = await judge(copy, mutant);
        if (verdict.outcome !== 'killed') verdicts.push(verdict);
        console.log(describeVerdict(verdict));
      }
    }),
  );
  return verdicts;
}

const first = await living([...mutants], Math.min(maxConcurrent, availableParallelism()));
if (first.length > 0) console.log(`\nonce more, alone: ${String(first.length)}`);
const left = await living(
  first.map(({ mutant }) => mutant),
  1,
);
console.log(`\n${String(mutants.length - left.length)} killed, ${String(left.length)} not`);
process.exitCode = left.length === 0 && problems.length === 0 ? 0 : 1;
