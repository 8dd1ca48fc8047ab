// What of the package is in the image. A step of the Containerfile: it runs with the plain Node of the
// build stage, in /app.
import { execFileSync } from 'node:child_process';
import { chmodSync, lstatSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Peers of the library that the service needs. The lock pins them, because they are development dependencies. */
const peers = ['@aws-sdk/client-s3', '@opentelemetry/api'];
/** `serve` needs neither a database in the process nor types. */
const unneeded = ['@electric-sql/pglite', '@types/ws'];
const keptFields = ['name', 'version', 'description', 'license', 'type', 'engines', 'exports', 'bin'];

/** Reduces `package.json` to the production dependencies of the image. They are in the same lock. */
function reduceManifest() {
  const manifest = JSON.parse(readFileSync('package.json', 'utf8'));
  const reduced = Object.fromEntries(keptFields.map((field) => [field, manifest[field]]));
  // Each dependency is required here: one that cannot be installed fails the build.
  reduced.dependencies = { ...manifest.dependencies, ...manifest.optionalDependencies };
  for (const name of peers) reduced.dependencies[name] = manifest.devDependencies[name];
  for (const name of unneeded) delete reduced.dependencies[name];
  writeFileSync('package.json', `${JSON.stringify(reduced, undefined, 2)}\n`);
}

const unneededFiles = [
  // Types, sources, maps, prose, tests.
  /\.([cm]?ts|tsx|map|md|markdown|flow|tsbuildinfo|c|cc|h|bare)$/i,
  /\.(test|spec)\.[cm]?js$/,
  // The tools of their authors, and npm's own notes.
  /^\.(npmrc|package-lock\.json|npmignore|gitattributes|gitignore)$/,
  /^\.(eslintrc.*|editorconfig|travis\.yml|nycrc|prettierrc.*)$/,
  /^(CMakeLists\.txt|Makefile)$/,
];
const unneededFolder = /^(\.bin|\.github|\.vscode|tests?|__tests__|docs?|examples?|benchmarks?|coverage|prebuilds)$/;
const licence = /^(licen[cs]e|notice|copying)/i;

/** Deletes what no program needs at run time, and sets one mode for all files of a kind, whatever the checkout had. */
function reduceFiles(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    const isUnneeded = entry.isDirectory() ? isUnneededFolder(folder, entry.name) : isUnneededFile(entry.name);
    if (isUnneeded && !licence.test(entry.name)) rmSync(path, { recursive: true });
    else if (entry.isDirectory()) reduceFiles(path);
    else if (entry.isFile()) chmodSync(path, isProgram(path) ? 0o755 : 0o644);
  }
  chmodSync(folder, 0o755);
}

/** Only at the top of a package: deeper, a folder `doc` or `test` may be part of a program. */
const isUnneededFolder = (parent, name) =>
  /(^|\/)node_modules(\/(@[^/]+\/)?[^/@]+)?$/.test(parent) && unneededFolder.test(name);
const isUnneededFile = (name) => unneededFiles.some((pattern) => pattern.test(name));
const isProgram = (path) => path.startsWith('agent/bin/') && (lstatSync(path).mode & 0o100) !== 0;

/** Fails the build if a file that was deleted is part of a program. */
function importAll() {
  const { dependencies } = JSON.parse(readFileSync('package.json', 'utf8'));
  const modules = ['./dist/src/index.js', './dist/src/embedded/index.js', ...Object.keys(dependencies)];
  const source = modules.map((name) => `await import('${name}');`).join('\n');
  execFileSync(process.execPath, ['--input-type=module', '--eval', source], { stdio: 'inherit' });
}

if (process.argv[2] === 'manifest') reduceManifest();
else {
  rmSync('package-lock.json');
  reduceFiles('.');
  importAll();
}
