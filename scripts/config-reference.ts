// Writes what is made from the schema of the configuration: its reference, its JSON Schema, and the table
// of keys that needs no schema. With `--check`, fails if a file differs.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { jsonSchema } from '../src/service/config/json-schema.ts';
import { schemaKeys } from '../src/service/config/schema-keys.ts';
import { keysModule } from './config-reference/keys-module.ts';
import { reference } from './config-reference/reference.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Returns the files, by their path in the repository. */
function generate(): ReadonlyMap<string, string> {
  return new Map([
    ['docs/configuration.md', reference(schemaKeys)],
    ['src/service/config/keys.generated.ts', format('keys.generated.ts', keysModule(schemaKeys))],
    ['docs/configuration.schema.json', format('configuration.schema.json', JSON.stringify(jsonSchema()))],
  ]);
}

function format(fileName: string, text: string): string {
  const biome = fileURLToPath(import.meta.resolve('@biomejs/biome/bin/biome'));
  const args = [biome, 'check', '--write', `--stdin-file-path=${fileName}`];
  return execFileSync(process.execPath, args, { cwd: root, input: text, encoding: 'utf8' });
}

function read(path: string): string | undefined {
  try {
    return readFileSync(root + path, 'utf8');
  } catch {
    return undefined;
  }
}

const stale = [...generate()].filter(([path, text]) => read(path) !== text);
if (!process.argv.includes('--check')) {
  for (const [path, text] of stale) writeFileSync(root + path, text);
  console.log(`${String(stale.length)} files written`);
} else if (stale.length > 0) {
  const paths = stale.map(([path]) => path).join(', ');
  console.error(
    `these files differ from the output of scripts/config-reference.ts: ${paths}; run npm run config-reference`,
  );
  process.exitCode = 1;
}
