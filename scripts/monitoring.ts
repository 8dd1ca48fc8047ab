// Writes the dashboards and alerts of the chart. With `--check`, fails if a file is missing, differs or is too many.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { monitoringFiles } from '../charts/monitoring/files.ts';

const folder = fileURLToPath(new URL('../charts/kubernetes-worker/files/', import.meta.url));
const check = process.argv.includes('--check');
const files = new Map(monitoringFiles());

mkdirSync(folder, { recursive: true });
const existing = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(
  (path) => path === 'alerts.yaml' || (path.startsWith('dashboards/') && path.endsWith('.json')),
);
const superfluous = existing.filter((path) => !files.has(path));
const outdated = [...files].filter(
  ([path, text]) => !existing.includes(path) || readFileSync(join(folder, path), 'utf8') !== text,
);

if (check) {
  for (const path of [...superfluous, ...outdated.map(([name]) => name)]) console.error(`out of date: ${path}`);
  if (superfluous.length + outdated.length > 0) {
    console.error('run: npm run monitoring');
    process.exitCode = 1;
  }
} else {
  for (const path of superfluous) rmSync(join(folder, path));
  for (const [path, text] of outdated) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
}
console.log(
  `${files.size} files, ${outdated.length} ${check ? 'out of date' : 'written'}, ${superfluous.length} superfluous`,
);
