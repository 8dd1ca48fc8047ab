import { UsageError } from './arguments.ts';
import type { Benchmark } from './benchmark.ts';

/** Returns the text of `--help`: for all benchmarks, or with the settings of one. */
export function usageOf(
  names: readonly string[],
  chosen?: { readonly name: string; readonly settings: Benchmark['settings'] },
): string {
  const lines = [
    `usage: npm run bench -- ${chosen?.name ?? 'NAME'} [--only REGEX] [--pairs N] [--json FILE] [--set NAME=VALUE]`,
    '',
    '  --only REGEX      run only the cases with a matching name',
    '  --pairs N         the number of pairs of each case',
    '  --json FILE       also write the rows there',
    '  --set NAME=VALUE  change a setting of the benchmark; NAME --help lists them',
    '',
  ];
  if (chosen === undefined) return [...lines, `NAME is one of: ${names.join(', ')}`].join('\n');
  const settings = Object.entries(chosen.settings ?? {});
  if (settings.length === 0) return [...lines, `${chosen.name} has no settings`].join('\n');
  return [
    ...lines,
    `settings of ${chosen.name}:`,
    ...settings.map(([name, { value, meaning }]) => `  ${name}=${value}  ${meaning}`),
  ].join('\n');
}

/**
 * Returns a function that reads the settings of a benchmark in this run.
 *
 * @throws UsageError - a given setting is not one of the benchmark
 */
export function settingsOf(
  { settings = {} }: Pick<Benchmark, 'settings'>,
  given: ReadonlyMap<string, string>,
): (name: string) => string {
  for (const name of given.keys())
    if (!Object.hasOwn(settings, name)) throw new UsageError(`--set ${name}: there is no such setting`);
  return (name) => {
    const setting = settings[name];
    if (setting === undefined) throw new TypeError(`the benchmark declares no setting ${name}`);
    return given.get(name) ?? setting.value;
  };
}
