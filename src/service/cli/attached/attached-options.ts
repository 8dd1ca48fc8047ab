import { UsageError } from '../cli-error.ts';

/** Returns the entries of a repeatable option `NAME=value`. @throws UsageError */
export function checkEnvironment(entries: readonly string[]): readonly string[] {
  const wrong = entries.find((entry) => !/^[^=]+=/.test(entry));
  // The value may be a secret: only what stands in for the name is shown.
  if (wrong !== undefined) throw new UsageError(`--env: ${JSON.stringify(wrong.slice(0, 40))} is not NAME=VALUE`);
  return entries;
}

/** Collects the values of an option that may be repeated. */
export function repeated(value: string, previous: readonly string[] = []): readonly string[] {
  return [...previous, value];
}
