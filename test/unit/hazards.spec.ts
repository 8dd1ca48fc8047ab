import { readdirSync, readFileSync } from 'node:fs';

import { expect } from 'chai';

const root = new URL('../../', import.meta.url);
const textOf = (path: string): string => readFileSync(new URL(path, root), 'utf8');

/** Returns `NUMBER FILE` for each row of the table of hazards. */
function documented(): readonly string[] {
  const rows = textOf('docs/database.md').matchAll(/^\| (H\d+): [^|]+ \| [^|]+ \| `([^`]+)` \|$/gm);
  return [...rows].map(([, number = '', file = '']) => `${number} test/${file}`);
}

/** Returns `NUMBER FILE` for each title that begins with the number of a hazard. */
function tested(): readonly string[] {
  return readdirSync(new URL('test/', root), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .flatMap((file) =>
      [...textOf(`test/${file}`).matchAll(/\bit\(\s*['"`](H\d+): /g)].map(
        ([, number = '']) => `${number} test/${file}`,
      ),
    );
}

describe('the hazards of docs/database.md', () => {
  it('have exactly the tests whose titles begin with their numbers', () => {
    expect(documented()).to.not.deep.equal([]);
    expect([...documented()].sort()).to.deep.equal([...new Set(tested())].sort());
  });
});
