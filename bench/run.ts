// npm run bench -- NAME [--only REGEX] [--pairs N] [--json FILE] [--set NAME=VALUE]
// Measures and prints a table. Exits with 0 regardless of the values.
import { readdirSync, writeFileSync } from 'node:fs';

import { isKubernetesWorkerError } from '../src/errors/error-code.ts';
import { type BenchArguments, readArguments, UsageError } from './harness/arguments.ts';
import type { Benchmark } from './harness/benchmark.ts';
import { measure } from './harness/measure.ts';
import { type Row, rowOf, tableOf } from './harness/report.ts';
import { settingsOf, usageOf } from './harness/usage.ts';

const cases = new URL('./cases/', import.meta.url);
const names = readdirSync(cases).flatMap((file) => (file.endsWith('.ts') ? [file.slice(0, -3)] : []));

async function load(name: string): Promise<Benchmark> {
  if (!names.includes(name)) throw new UsageError(`there is no benchmark ${name}`);
  return ((await import(new URL(`${name}.ts`, cases).href)) as { readonly benchmark: Benchmark }).benchmark;
}

/** Runs the selected cases. Adds each row at once, so that a later failure does not lose it. */
async function run(
  benchmark: Benchmark,
  { only, pairs, settings }: BenchArguments,
  signal: AbortSignal,
  rows: Row[],
): Promise<void> {
  const context = { signal, log: (line: string) => console.error(line), setting: settingsOf(benchmark, settings) };
  await using opened = await benchmark.open(context);
  const chosen = opened.cases.filter(({ name }) => only?.test(name) ?? true);
  if (chosen.length === 0)
    throw new UsageError(`--only matches none of: ${opened.cases.map(({ name }) => name).join('; ')}`);
  for (const benchCase of chosen) rows.push(rowOf(await measure(benchCase, context, { pairs })));
}

async function main(args: BenchArguments, interrupted: AbortController): Promise<void> {
  if (args.name === undefined) {
    if (!args.help) throw new UsageError('which benchmark?');
    console.log(usageOf(names));
    return;
  }
  const benchmark = await load(args.name);
  if (args.help) {
    console.log(usageOf(names, { name: args.name, settings: benchmark.settings }));
    return;
  }
  const interrupt = (): void => {
    interrupted.abort(new Error('interrupted'));
  };
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
  const rows: Row[] = [];
  try {
    await run(benchmark, args, interrupted.signal, rows);
  } finally {
    if (rows.length > 0) console.log(tableOf(rows));
    if (args.json !== undefined) writeFileSync(args.json, `${JSON.stringify(rows, null, 2)}\n`);
  }
}

const interrupted = new AbortController();
try {
  await main(readArguments(process.argv.slice(2)), interrupted);
} catch (error) {
  // The first failure, not a later failure to close resources.
  const cause = error instanceof Error && 'suppressed' in error ? error.suppressed : error;
  const isUsage = cause instanceof UsageError;
  // A stack helps only for a fault of the benchmark itself.
  if (isUsage) console.error(`${cause.message}\n\n${usageOf(names)}`);
  else if (interrupted.signal.aborted) console.error('interrupted');
  else if (isKubernetesWorkerError(cause)) console.error(`${cause.code}: ${cause.message}`);
  else throw cause;
  process.exitCode = isUsage ? 2 : 1;
}
