// npm run bench -- NAME [--json FILE]
// Measures, prints a table, and exits 0 whatever the figures are; it never judges.
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

import type { BenchContext, Benchmark } from './harness/benchmark.ts';
import { measure } from './harness/measure.ts';
import { type Row, rowOf, tableOf } from './harness/report.ts';

async function run({ open }: Benchmark, context: BenchContext): Promise<Row[]> {
  await using benchmark = await open(context);
  const rows: Row[] = [];
  for (const benchCase of benchmark.cases) rows.push(rowOf(await measure(benchCase, context)));
  return rows;
}

const cases = new URL('./cases/', import.meta.url);
const { values, positionals } = parseArgs({ allowPositionals: true, options: { json: { type: 'string' } } });
const [name] = positionals;
const known = existsSync(cases) ? readdirSync(cases).flatMap((file) => (file.endsWith('.ts') ? [file.slice(0, -3)] : [])) : [];

if (name === undefined || positionals.length > 1 || !known.includes(name)) {
  console.error(`usage: npm run bench -- NAME [--json FILE]\nNAME is one of: ${known.join(', ')}`);
  process.exitCode = 2;
} else {
  const interrupted = new AbortController();
  const interrupt = (): void => {
    interrupted.abort(new Error('interrupted'));
  };
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
  const { benchmark } = (await import(new URL(`${name}.ts`, cases).href)) as { readonly benchmark: Benchmark };
  const rows = await run(benchmark, { signal: interrupted.signal, log: (line) => console.error(line) });
  console.log(tableOf(rows));
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(rows, null, 2)}\n`);
}
