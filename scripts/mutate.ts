// Applies the mutants of test/mutations one by one, each in a copy of the tree, and runs the specs
// that must detect them.
//
//   npm run mutate agent|host [NAME…]   all mutants of the list, or those that match a word
//
// Each spec first runs without a change: a test that fails anyway, or that does not run, proves
// nothing. Exits with 1 if a mutant survives, if its text does not occur exactly once, or if the
// change does not build or load.
import { availableParallelism } from 'node:os';

import { MutantList } from './mutation/mutant-list.ts';
import { describeVerdict, judge, type Verdict } from './mutation/verdict.ts';
import { WorkingCopy } from './mutation/working-copy.ts';

const maxConcurrent = 2;

const [list, ...words] = process.argv.slice(2);
if (list !== 'agent' && list !== 'host') {
  console.error('usage: npm run mutate agent|host [NAME…]');
  process.exit(2);
}

const { mutants, problems } = await MutantList.load(list, words);
for (const problem of problems) console.error(problem);
if (mutants.length === 0) {
  console.error('no mutant matches these words');
  process.exit(2);
}

const waiting = [...mutants];
const verdicts: Verdict[] = [];
await Promise.all(
  Array.from({ length: Math.min(maxConcurrent, availableParallelism(), waiting.length) }, async () => {
    await using copy = await WorkingCopy.create(list === 'agent');
    for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
      const verdict = await judge(copy, mutant);
      verdicts.push(verdict);
      console.log(describeVerdict(verdict));
    }
  }),
);

const living = verdicts.filter(({ outcome }) => outcome !== 'killed');
for (const verdict of living) console.log(describeVerdict(verdict));
console.log(`\n${String(verdicts.length - living.length)} killed, ${String(living.length)} not`);
process.exitCode = living.length === 0 && problems.length === 0 ? 0 : 1;
