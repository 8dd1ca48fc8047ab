import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';

/** A module of Go whose files are read. */
export interface GoModule {
  readonly path: string;
  readonly version: string;
  /** The digest of its files, as in a `go.sum`. */
  readonly sum: string;
}

/**
 * Returns the folder with the files of a module, which Go downloads once and verifies. Throws if they
 * are not those of `sum`.
 */
export function moduleFolder({ path, version, sum }: GoModule): string {
  const args = ['mod', 'download', '-json', `${path}@${version}`];
  const printed = execFileSync('go', args, { cwd: tmpdir(), encoding: 'utf8', maxBuffer: 1 << 20 });
  const { Dir: folder, Sum: actual } = JSON.parse(printed) as { readonly Dir: string; readonly Sum: string };
  if (actual !== sum) throw new Error(`${path}@${version} has the digest ${actual}, not ${sum}`);
  return folder;
}
