// Writes what is made for the chart from the library's data and from the comments of its values. With
// `--check`, fails if a file differs.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { configDefaultsTemplate } from './chart/config-defaults.ts';
import { permissionsTemplate } from './chart/permissions.ts';

const chart = fileURLToPath(new URL('../charts/kubernetes-worker/', import.meta.url));

/** Returns the files, by their path in the chart. */
function generate(): ReadonlyMap<string, string> {
  return new Map([
    ['templates/_permissions.tpl', `${permissionsTemplate()}\n`],
    ['templates/_defaults.tpl', `${configDefaultsTemplate()}\n`],
  ]);
}

function read(path: string): string | undefined {
  try {
    return readFileSync(chart + path, 'utf8');
  } catch {
    return undefined;
  }
}

const stale = [...generate()].filter(([path, text]) => read(path) !== text);
if (!process.argv.includes('--check')) {
  for (const [path, text] of stale) writeFileSync(chart + path, text);
  console.log(`${String(stale.length)} files written`);
} else if (stale.length > 0) {
  const paths = stale.map(([path]) => path).join(', ');
  console.error(`these files of the chart differ from the output of scripts/chart.ts: ${paths}; run npm run chart`);
  process.exitCode = 1;
}
