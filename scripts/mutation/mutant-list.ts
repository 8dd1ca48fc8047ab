import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import type { Mutant } from '../mutant.ts';

export const repository: string = join(import.meta.dirname, '../..');

/** The lists of `test/mutations`. */
export type ListName = 'agent' | 'host' | 'model';

export function isListName(name: string | undefined): name is ListName {
  return name === 'agent' || name === 'host' || name === 'model';
}

/** Counts the occurrences of `text` in `whole`, without overlaps. */
function occurrences(whole: string, text: string): number {
  return whole.split(text).length - 1;
}

async function problemOf({ name, file, find, replace }: Mutant): Promise<string | undefined> {
  const source = await readFile(join(repository, file), 'utf8').catch(() => undefined);
  if (source === undefined) return `${name}: there is no ${file}`;
  const count = find === '' ? 0 : occurrences(source, find);
  if (count !== 1) return `${name}: its text occurs ${String(count)} times in ${file}, not once`;
  return find === replace ? `${name}: changes nothing` : undefined;
}

export class MutantList {
  readonly mutants: readonly Mutant[];
  /** The faults of the list, a line for each. `mutants` does not contain the faulty mutants. */
  readonly problems: readonly string[];

  private constructor(mutants: readonly Mutant[], problems: readonly string[]) {
    this.mutants = mutants;
    this.problems = problems;
  }

  static async load(list: ListName, words: readonly string[]): Promise<MutantList> {
    const address = new URL(`../../test/mutations/${list}.ts`, import.meta.url).href;
    const { mutants } = (await import(address)) as { mutants: readonly Mutant[] };
    const wanted = mutants.filter(({ name }) => words.length === 0 || words.some((word) => name.includes(word)));
    const problems = new Map<Mutant, string>();
    const names = new Set<string>();
    for (const mutant of wanted) {
      const problem = names.has(mutant.name) ? `${mutant.name}: the name occurs twice` : await problemOf(mutant);
      if (problem !== undefined) problems.set(mutant, problem);
      names.add(mutant.name);
    }
    return new MutantList(
      wanted.filter((mutant) => !problems.has(mutant)),
      [...problems.values()],
    );
  }
}
