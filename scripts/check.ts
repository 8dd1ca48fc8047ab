// Runs every check except the suites, one tool after the other. A failure does not stop the others.
import { spawnSync } from 'node:child_process';

const checks: readonly (readonly [name: string, command: string])[] = [
  ['format and import order', 'biome ci --colors=off .'],
  ['build, and types of src and fakes', 'npm run --silent build'],
  ['types of tests, examples, bench and scripts', 'tsc -p test/tsconfig.json'],
  ['lint and import rules', 'eslint . --max-warnings 0'],
  ['fakes are up to date', 'node fakes/generate.ts --check'],
  ['reference of the configuration is up to date', 'node scripts/config-reference.ts --check'],
  ['templates, schema and reference of the chart are up to date', 'node scripts/chart.ts --check'],
  ['dashboards and alerts are up to date', 'node scripts/monitoring.ts --check'],
  ['unused code and dependencies', 'knip --no-progress'],
  ['API report', 'node scripts/api-report.ts'],
  ['package.json', 'publint --strict --pack false'],
  ['documentation site', 'npm run --silent docs'],
  ['figures of the sources', 'node scripts/figures.ts --list'],
  ['the package, packed and installed', 'node scripts/check-package.ts'],
];

const outcomes = checks.map(([name, command]) => {
  console.log(`\n== ${name}: ${command}`);
  const startedAt = performance.now();
  const { status } = spawnSync(command, { shell: true, stdio: ['ignore', 'inherit', 'inherit'] });
  const outcome = { name, passed: status === 0, seconds: (performance.now() - startedAt) / 1000 };
  console.log(`${outcome.passed ? 'ok' : 'FAILED'} after ${outcome.seconds.toFixed(1)} s`);
  return outcome;
});

console.log('');
for (const { name, passed, seconds } of outcomes)
  console.log(`${passed ? 'ok    ' : 'FAILED'} ${seconds.toFixed(1).padStart(6)} s  ${name}`);
const failed = outcomes.filter(({ passed }) => !passed).length;
console.log(`\n${String(outcomes.length - failed)} passed, ${String(failed)} failed`);
process.exitCode = failed === 0 ? 0 : 1;
