import { expect } from 'chai';
import { parse } from 'yaml';

import { textOf } from './references.ts';

const document = 'docs/migration.md';

/** Returns the keys of this chart that the document names. */
function ownKeys(): readonly string[] {
  const rows = [...textOf(document).matchAll(/^\| `[^|]+\|([^|]*)\|([^|]*)\|$/gm)];
  const cells = rows.flatMap(([, own = '', note = '']) => [own, note]);
  return cells.flatMap((cell) => [...cell.matchAll(/`([A-Za-z.]+)`/g)].map(([, key = '']) => key));
}

/** Whether the values of the chart have the key. Below `config` are the keys of the configuration. */
function exists(key: string): boolean {
  const [first, ...rest] = key.split('.');
  if (first === 'config')
    return textOf('docs/configuration.md').includes(`\n##${rest.length > 1 ? '#' : ''} ${rest.join('.')}\n`);
  let value: unknown = parse(textOf('charts/kubernetes-worker/values.yaml'));
  for (const name of [first!, ...rest]) {
    if (typeof value !== 'object' || value === null || !(name in value)) return false;
    value = (value as Record<string, unknown>)[name];
  }
  return true;
}

describe(document, () => {
  it('names only keys that the chart has', () => {
    expect(ownKeys()).to.have.length.above(40);
    expect(ownKeys().filter((key) => !exists(key))).to.deep.equal([]);
  });
});
