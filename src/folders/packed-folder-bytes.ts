import { realpath, stat } from 'node:fs/promises';

import { CLOSING_BLOCKS } from '../archives/tar/header-block.ts';
import { BLOCK_BYTES } from '../archives/tar/tar-header.ts';
import { paddingOf } from '../archives/tar/tar-reader.ts';
import { localPath } from '../validation/folder-shapes.ts';
import { checkShape } from '../validation/shape.ts';
import { bytesOf } from './byte-path.ts';
import { walk } from './walk.ts';

/**
 * Returns about how many bytes the archive of `packFolder` has, for a progress bar. It reads no
 * content of files. The archive has a few more bytes for long names and for times with fractions of
 * seconds, and fewer if files have several hard links.
 *
 * @example
 * ```ts
 * import { packedFolderBytes } from 'kubernetes-worker';
 *
 * console.log(`uploading about ${await packedFolderBytes('./source')} bytes`);
 * ```
 *
 * @throws InvalidSpecError if the path is invalid
 * @throws the error of Node, with its code (`ENOENT`, `EACCES`), if a folder cannot be read
 * @public
 */
export async function packedFolderBytes(path: string): Promise<number> {
  checkShape('path', localPath, path);
  const status = await stat(path);
  let total = CLOSING_BLOCKS.length;
  if (!status.isDirectory()) return total + entryBytes(status.size);
  for await (const { status: each } of walk(bytesOf(await realpath(path))))
    total += entryBytes(each.isFile() ? Number(each.size) : 0);
  return total;
}

function entryBytes(size: number): number {
  return BLOCK_BYTES + size + paddingOf(size);
}
