// Runs the specs of `npm test` in a random order: the files, and the suites and tests of each. Its
// properties try other values than those of `npm test`.
//
//   npm run test:shuffled                 prints its KW_SEED
//   KW_SEED=… npm run test:shuffled       repeats the order and the values of that run
import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';

import { seededRandom } from './support/seeded-random.ts';
import { shuffled } from './support/shuffled-order.ts';

const seed = Number(process.env['KW_SEED'] ?? Math.floor(Math.random() * 2 ** 32));
console.log(`KW_SEED=${seed}`);
const files = shuffled(globSync('test/{unit,contract,integration}/**/*.spec.ts').sort(), seededRandom(seed));
const mocha = [
  'node_modules/mocha/bin/mocha.js',
  '--forbid-only',
  '--parallel',
  '--jobs',
  '2',
  '--require',
  './test/support/shuffled-order.ts',
];
const { status } = spawnSync(process.execPath, [...mocha, ...files], {
  stdio: 'inherit',
  env: { ...process.env, KW_SEED: String(seed) },
});
process.exitCode = status ?? 1;
