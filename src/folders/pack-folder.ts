import type { BigIntStats } from 'node:fs';
import { constants, type FileHandle, lstat, open, readlink, realpath } from 'node:fs/promises';
import { basename } from 'node:path';

import { encodeHeader } from '../archives/tar/encode-header.ts';
import { CLOSING_BLOCKS } from '../archives/tar/header-block.ts';
import { paddingOf, type TarKind } from '../archives/tar/tar-reader.ts';
import { InvalidSpecError } from '../errors/caller.ts';
import { FileChangedError } from '../errors/transfer.ts';
import type { PackFolderOptions } from '../runtime/folder.ts';
import { localPath, packFolderOptions } from '../validation/folder-shapes.ts';
import { checkShape } from '../validation/shape.ts';
import { bytesOf, pathOf, textOf } from './byte-path.ts';
import { type FoundEntry, walk } from './walk.ts';

/** The size of the chunks of an archive, and of the reads of files. */
const CHUNK_BYTES: number = 128 * 1024;

/** The state of one archive. */
interface Packing {
  readonly skipped: PackFolderOptions['skipped'];
  /** The first names of files with several hard links. */
  readonly links: Map<string, string>;
}

/**
 * Returns a raw tar archive of the content of a folder of this machine, or of one file: a source for
 * `Volume.streamIn`. A link as the path itself is followed, links in the folder are not.
 *
 * The same tree always gives the same bytes, which are those that a pod sends for it. So the digest
 * of a transfer compares trees on both sides. The order is that of the names' bytes, and names may
 * have any encoding. Owners are 0 and set-id bits are left out. Modes, symbolic and hard links and
 * times are kept; times have microseconds, the precision with which they can be set again.
 *
 * The file system is read while the archive is consumed. At most one file is open, and 256 KiB of
 * its content are in memory. Leaving the iteration early closes the file.
 *
 * @example
 * ```ts
 * import { packFolder } from 'kubernetes-worker';
 *
 * // A function: the library packs the folder again if the pod has lost what it had received.
 * const { digest } = await volume.streamIn('source', () => packFolder('./source'));
 * ```
 *
 * @throws InvalidSpecError if an argument is invalid; the iteration throws the rest:
 * @throws FileChangedError if a file changes while it is read; `entry` is its path
 * @throws the error of Node, with its code (`ENOENT`, `EACCES`), if a file cannot be read
 * @public
 */
export function packFolder(path: string, options: PackFolderOptions = {}): AsyncIterable<Uint8Array> {
  checkShape('path', localPath, path);
  checkShape('options', packFolderOptions, options);
  const { name, skipped, signal } = options;
  if (name !== undefined && (name === '' || /[/\0]/.test(name) || name === '.' || name === '..'))
    throw new InvalidSpecError('name', 'is not the name of a file');
  return inChunks(archiveOf(path, name ?? basename(path), { skipped, links: new Map() }), signal);
}

async function* archiveOf(given: string, name: string, packing: Packing): AsyncGenerator<Buffer> {
  const path = await realpath(given);
  const status = await lstat(path, { bigint: true });
  if (status.isDirectory()) for await (const found of walk(bytesOf(path))) yield* packEntry(found, packing);
  else yield* packEntry({ path: bytesOf(path), name: bytesOf(name), status }, packing);
  yield CLOSING_BLOCKS;
}

async function* packEntry({ path, name, status }: FoundEntry, packing: Packing): AsyncGenerator<Buffer> {
  if (status.isDirectory()) yield headerOf('directory', `${name}/`, status);
  else if (!status.isFile() && !status.isSymbolicLink()) packing.skipped?.(textOf(path));
  else {
    const target = linkedTo(name, status, packing);
    if (target !== undefined) yield headerOf('link', name, status, target);
    else if (status.isFile()) yield* packFile(path, name);
    else yield headerOf('symlink', name, status, (await readlink(pathOf(path), 'buffer')).toString('latin1'));
  }
}

/** Returns the earlier name of a file with several hard links, `undefined` for the first one. */
function linkedTo(name: string, { nlink, dev, ino }: BigIntStats, { links }: Packing): string | undefined {
  if (nlink < 2n) return undefined;
  const key = `${dev}:${ino}`;
  const first = links.get(key);
  if (first === undefined) links.set(key, name);
  return first;
}

function headerOf(kind: TarKind, name: string, status: BigIntStats, target = ''): Buffer {
  return encodeHeader({
    kind,
    name,
    target,
    mode: Number(status.mode) & 0o1777,
    size: kind === 'file' ? Number(status.size) : 0,
    mtimeNs: ((status.mtimeNs + 500n) / 1000n) * 1000n,
  });
}

async function* packFile(path: string, name: string): AsyncGenerator<Buffer> {
  const handle = await open(pathOf(path), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const status = await handle.stat({ bigint: true });
    yield headerOf('file', name, status);
    yield* contentOf(handle, Number(status.size), path);
    const { size, mtimeNs } = await handle.stat({ bigint: true });
    // A file that has grown is packed with its earlier size, provided that nothing was overwritten.
    if (mtimeNs !== status.mtimeNs && size <= status.size) throw changed(path);
    yield Buffer.alloc(paddingOf(Number(status.size)));
  } finally {
    await handle.close();
  }
}

async function* contentOf(handle: FileHandle, size: number, path: string): AsyncGenerator<Buffer> {
  for (let rest = size; rest > 0; ) {
    const { buffer, bytesRead } = await handle.read({ buffer: Buffer.allocUnsafe(Math.min(rest, CHUNK_BYTES)) });
    if (bytesRead === 0) throw changed(path);
    rest -= bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

function changed(path: string): FileChangedError {
  return new FileChangedError({ entry: textOf(path) });
}

/** Joins small pieces to chunks. */
async function* inChunks(
  pieces: AsyncIterable<Buffer>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  signal?.throwIfAborted();
  let pending: Buffer[] = [];
  let length = 0;
  for await (const piece of pieces) {
    signal?.throwIfAborted();
    pending.push(piece);
    length += piece.length;
    if (length < CHUNK_BYTES) continue;
    yield Buffer.concat(pending);
    [pending, length] = [[], 0];
  }
  yield Buffer.concat(pending);
}
