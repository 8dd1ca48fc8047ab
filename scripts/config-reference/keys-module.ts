import type { KeyEntry } from '../../src/service/config/key-entry.ts';

const names = ['path', 'env', 'flag', 'type', 'choices', 'secret', 'reload', 'summary'] as const;

/** Returns the module with the table of keys. */
export function keysModule(keys: readonly KeyEntry[]): string {
  const rows = keys.map(
    (key) =>
      `  {${names.map((name) => (key[name] === undefined ? '' : ` ${name}: ${JSON.stringify(key[name])},`)).join('')} },`,
  );
  return [
    '// Written by scripts/config-reference.ts from the schema. Do not edit.',
    "import type { KeyEntry } from './key-entry.ts';",
    '',
    '/** The keys of the configuration, in the order of the schema. */',
    'export const configKeys: readonly KeyEntry[] = [',
    ...rows,
    '];',
    '',
  ].join('\n');
}
