import type { BigIntStats } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';

import { pathOf } from './byte-path.ts';

/** An entry of a folder. The path and the name are bytes, as latin1 text. */
export interface FoundEntry {
  readonly path: string;
  /** The path below the folder, after `./`. */
  readonly name: string;
  readonly status: BigIntStats;
}

/** Yields what is below a folder, in the order of an archive: that of the names' bytes. */
export async function* walk(folder: string, name = '.'): AsyncGenerator<FoundEntry> {
  const names = (await readdir(pathOf(folder), { encoding: 'buffer' })).map((each) => each.toString('latin1'));
  // This sorts by bytes, because latin1 has one character for each byte.
  for (const each of names.toSorted((a, b) => (a < b ? -1 : 1))) {
    const found = { path: `${folder}/${each}`, name: `${name}/${each}` };
    const status = await lstat(pathOf(found.path), { bigint: true });
    yield { ...found, status };
    if (status.isDirectory()) yield* walk(found.path, found.name);
  }
}
