// Writes what is made for the chart from the library's data and from the comments of its values. With
// `--check`, fails if a file differs.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import manifest from '../package.json' with { type: 'json' };
import { jsonSchema } from '../src/service/config/json-schema.ts';
import { parseChartValues } from './chart/chart-values.ts';
import { withVersion } from './chart/chart-version.ts';
import { configDefaultsTemplate } from './chart/config-defaults.ts';
import { permissionsTemplate } from './chart/permissions.ts';
import { valueTypes } from './chart/value-types.ts';
import { valuesSchema } from './chart/values-schema.ts';
import { withValuesTable } from './chart/values-table.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const chart = `${root}charts/kubernetes-worker/`;

/** Returns the files, by their path in the chart. */
function generate(): ReadonlyMap<string, string> {
  const values = parseChartValues(read('values.yaml'), (path) => path in valueTypes || path === 'config');
  const schema = valuesSchema(values, { types: valueTypes, config: jsonSchema() });
  return new Map([
    ['Chart.yaml', withVersion(read('Chart.yaml'), manifest.version)],
    ['templates/_permissions.tpl', `${permissionsTemplate()}\n`],
    ['templates/_defaults.tpl', `${configDefaultsTemplate()}\n`],
    ['values.schema.json', format('values.schema.json', JSON.stringify(schema))],
    ['README.md', withValuesTable(read('README.md'), values)],
  ]);
}

function format(fileName: string, text: string): string {
  const biome = fileURLToPath(import.meta.resolve('@biomejs/biome/bin/biome'));
  const args = [biome, 'check', '--write', `--stdin-file-path=${fileName}`];
  return execFileSync(process.execPath, args, { cwd: root, input: text, encoding: 'utf8' });
}

function read(path: string): string {
  return readFileSync(chart + path, 'utf8');
}

/** Returns whether the file has another text, or does not exist. */
function isStale([path, text]: readonly [string, string]): boolean {
  try {
    return read(path) !== text;
  } catch {
    return true;
  }
}

const stale = [...generate()].filter(isStale);
if (!process.argv.includes('--check')) {
  for (const [path, text] of stale) writeFileSync(chart + path, text);
  console.log(`${String(stale.length)} files written`);
} else if (stale.length > 0) {
  const paths = stale.map(([path]) => path).join(', ');
  console.error(`these files of the chart differ from the output of scripts/chart.ts: ${paths}; run npm run chart`);
  process.exitCode = 1;
}
