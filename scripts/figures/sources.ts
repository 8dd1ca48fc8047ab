import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

export const repository: string = join(import.meta.dirname, '../..');

/** A file of the repository: its path from the root, and its lines. */
export interface SourceFile {
  readonly path: string;
  readonly lines: readonly string[];
}

/** Generated files and fixtures are not written by hand. */
const generated = /^(package-lock\.json|docs\/api-report\/|test\/fixtures\/|fakes\/fake-)/;

/** Reads the repository's files whose path matches. */
export function readSources(pattern: RegExp): readonly SourceFile[] {
  return listFiles()
    .filter((path) => pattern.test(path) && !generated.test(path))
    .map((path) => ({ path, lines: readFileSync(join(repository, path), 'utf8').split('\n') }));
}

/** Returns the number of files in each folder, subfolders not counted. */
export function filesPerFolder(): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const path of listFiles()) {
    if (/(^|\/)corpus\//.test(path)) continue;
    counts.set(dirname(path), (counts.get(dirname(path)) ?? 0) + 1);
  }
  return counts;
}

function listFiles(): readonly string[] {
  const output = execFileSync('git', ['ls-files', '-z'], { cwd: repository, encoding: 'utf8' });
  return output.split('\0').filter((path) => path !== '');
}
