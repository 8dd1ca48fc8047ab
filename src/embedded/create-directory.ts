import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

import { hasCode } from '../internal/has-code.ts';

/**
 * Creates a directory and its missing parents, with mode 0711. Resolves to whether it has created the
 * directory itself.
 *
 * Node's recursive `mkdir` does not end if an existing parent refuses an entry with `ENOENT`, as
 * `/proc` does.
 */
export async function createDirectory(path: string): Promise<boolean> {
  try {
    await mkdir(path, { mode: 0o711 });
    return true;
  } catch (error) {
    if (hasCode(error, 'EEXIST') && (await isDirectory(path))) return false;
    if (!hasCode(error, 'ENOENT') || (await isDirectory(dirname(path)))) throw error;
  }
  await createDirectory(dirname(path));
  return await createDirectory(path);
}

async function isDirectory(path: string): Promise<boolean> {
  return await stat(path).then(
    (stats) => stats.isDirectory(),
    () => false,
  );
}
