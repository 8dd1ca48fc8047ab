import { parseArgs } from 'node:util';

/** A parsed command line. */
export interface BenchArguments {
  readonly help: boolean;
  readonly name: string | undefined;
  readonly json: string | undefined;
  /** Selects the cases to run. */
  readonly only: RegExp | undefined;
  /** Overrides the number of pairs of the cases. */
  readonly pairs: number | undefined;
  readonly settings: ReadonlyMap<string, string>;
}

/** An invalid command line. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** @throws UsageError */
export function readArguments(args: readonly string[]): BenchArguments {
  const { values, positionals } = parsed(args);
  const [name, ...more] = positionals;
  if (more.length > 0) throw new UsageError(`one benchmark at a time, not also ${more.join(' ')}`);
  return {
    help: values.help,
    name,
    json: values.json,
    only: values.only === undefined ? undefined : pattern(values.only),
    pairs: values.pairs === undefined ? undefined : count(values.pairs),
    settings: new Map(values.set.map(setting)),
  };
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        help: { type: 'boolean', short: 'h', default: false },
        json: { type: 'string' },
        only: { type: 'string' },
        pairs: { type: 'string' },
        set: { type: 'string', multiple: true, default: [] },
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function pattern(text: string): RegExp {
  try {
    return new RegExp(text, 'i');
  } catch (error) {
    throw new UsageError(`--only ${text}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function count(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new UsageError(`--pairs ${text} is not a number from 1`);
  return Number(text);
}

function setting(text: string): [string, string] {
  const [, name, value] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
  if (name === undefined || value === undefined) throw new UsageError(`--set ${text} is not NAME=VALUE`);
  return [name, value];
}
