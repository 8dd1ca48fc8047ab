import { readdirSync, readFileSync } from 'node:fs';

import { expect } from 'chai';

import { titlesOf } from '../support/test-titles.ts';

const root = new URL('../../', import.meta.url);
const textOf = (path: string): string => readFileSync(new URL(path, root), 'utf8');

interface Row {
  readonly number: number;
  readonly files: readonly string[];
  readonly note: string;
}

/** Returns the rows of `docs/acceptance.md`. */
function documented(): readonly Row[] {
  const rows = textOf('docs/acceptance.md').matchAll(/^\| A(\d+) \| [^|]+ \| ([^|]*) \| ([^|]*) \|$/gm);
  return [...rows].map(([, number, files = '', note = '']) => ({
    number: Number(number),
    files: [...files.matchAll(/`([^`]+)`/g)].map(([, file = '']) => `test/${file}`),
    note: note.trim(),
  }));
}

/** Returns `NUMBER FILE` for each number in a title. */
function tested(): readonly string[] {
  const files = readdirSync(new URL('test/', root), { recursive: true, encoding: 'utf8' });
  return files
    .filter((file) => file.endsWith('.ts'))
    .flatMap((file) => {
      const numbers = titlesOf(textOf(`test/${file}`)).flatMap((title) => [...title.matchAll(/\[A(\d+)\]/g)]);
      return [...new Set(numbers.map(([, number = '']) => number))].map((number) => `${number} test/${file}`);
    });
}

describe('docs/acceptance.md', () => {
  it('has each of the 54 scenarios once, in order, with a test or the reason why there is none', () => {
    const rows = documented();
    expect(rows.map(({ number }) => number)).to.deep.equal(Array.from({ length: 54 }, (_, index) => index + 1));
    for (const { number, files, note } of rows)
      expect(files.length > 0 || note !== '', `scenario ${String(number)} has neither`).to.equal(true);
  });

  it('names exactly the files with a title that has the number', () => {
    const claimed = documented().flatMap(({ number, files }) => files.map((file) => `${String(number)} ${file}`));
    expect([...claimed].sort()).to.deep.equal([...tested()].sort());
  });
});
