import type { BigIntStats } from 'node:fs';
import { constants, type FileHandle, lstat, open, readdir, readlink, realpath, stat } from 'node:fs/promises';
import { basename } from 'node:path';

import { CliError } from '../cli-error.ts';
import { ExitCode } from '../exit-code.ts';
import { closingBlocks, encodeHeader } from './encode-header.ts';
import { blockBytes, paddingOf, type TarKind } from './tar-entry.ts';

/** The size of the chunks of an archive, and of the reads of files. */
const chunkBytes = 128 * 1024;

export interface PackOptions {
  /**
   * The name of the one entry, if the path is that of a file.
   *
   * @defaultValue the last component of the path
   */
  readonly name?: string | undefined;
  /** Receives the path of each socket, fifo and device, which an archive does not contain. */
  readonly skipped?: ((path: string) => void) | undefined;
}

/** The state of one archive. Names and paths are bytes, as latin1 text. */
interface Packing extends PackOptions {
  /** The first names of files with several hard links. */
  readonly links: Map<string, string>;
}

/**
 * Yields a raw tar archive of a folder's content, or of one file. A link as the path itself is
 * followed, links in the folder are not. The same tree always yields the same bytes, which are those
 * that the agent sends for it: the order is that of the names' bytes, owners are 0, set-id bits are
 * left out. Times have microseconds, the precision with which they can be set again.
 *
 * Rejects if a file cannot be read, or changes while it is read.
 */
export async function* packFolder(path: string, options: PackOptions = {}): AsyncGenerator<Buffer> {
  const packing: Packing = { ...options, links: new Map() };
  yield* inChunks(archiveOf(await realpath(path), basename(path), packing));
}

/** Returns the bytes of the archive that `packFolder` would yield now, without those of long names. */
export async function packedSize(path: string): Promise<number> {
  const status = await stat(path);
  let total = closingBlocks.length;
  if (!status.isDirectory()) return total + entryBytes(status.size);
  for await (const { status: each } of walk(bytesOf(await realpath(path)), '.'))
    total += entryBytes(each.isFile() ? Number(each.size) : 0);
  return total;
}

function entryBytes(size: number): number {
  return blockBytes + size + paddingOf(size);
}

async function* archiveOf(path: string, name: string, packing: Packing): AsyncGenerator<Buffer> {
  const root = bytesOf(path);
  const status = await lstat(path, { bigint: true });
  if (status.isDirectory()) for await (const found of walk(root, '.')) yield* packEntry(found, packing);
  else yield* packEntry({ path: root, name: bytesOf(packing.name ?? name), status }, packing);
  yield closingBlocks;
}

interface Found {
  readonly path: string;
  readonly name: string;
  readonly status: BigIntStats;
}

/** Yields what is below a folder, in the order of an archive. */
async function* walk(folder: string, name: string): AsyncGenerator<Found> {
  const names = (await readdir(pathOf(folder), { encoding: 'buffer' })).map((each) => each.toString('latin1'));
  // Sorted by bytes, because latin1 has a character for each.
  for (const each of names.toSorted((a, b) => (a < b ? -1 : 1))) {
    const found = { path: `${folder}/${each}`, name: `${name}/${each}` };
    const status = await lstat(pathOf(found.path), { bigint: true });
    yield { ...found, status };
    if (status.isDirectory()) yield* walk(found.path, found.name);
  }
}

async function* packEntry({ path, name, status }: Found, packing: Packing): AsyncGenerator<Buffer> {
  if (status.isDirectory()) yield headerOf('folder', `${name}/`, status);
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
    // A file that has grown is packed as it was, as long as nothing was overwritten.
    if (mtimeNs !== status.mtimeNs && size <= status.size) throw changed(path, 'was written to');
    yield Buffer.alloc(paddingOf(Number(status.size)));
  } finally {
    await handle.close();
  }
}

async function* contentOf(handle: FileHandle, size: number, path: string): AsyncGenerator<Buffer> {
  for (let rest = size; rest > 0; ) {
    const { buffer, bytesRead } = await handle.read({ buffer: Buffer.allocUnsafe(Math.min(rest, chunkBytes)) });
    if (bytesRead === 0) throw changed(path, 'became shorter');
    rest -= bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

function changed(path: string, how: string): CliError {
  return new CliError(`${textOf(path)} ${how} while it was read`, ExitCode.Temporary);
}

/** Joins small pieces to chunks. */
async function* inChunks(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let pending: Buffer[] = [];
  let length = 0;
  for await (const piece of pieces) {
    pending.push(piece);
    length += piece.length;
    if (length < chunkBytes) continue;
    yield Buffer.concat(pending);
    [pending, length] = [[], 0];
  }
  yield Buffer.concat(pending);
}

function bytesOf(text: string): string {
  return Buffer.from(text).toString('latin1');
}

function textOf(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString();
}

function pathOf(bytes: string): Buffer {
  return Buffer.from(bytes, 'latin1');
}
