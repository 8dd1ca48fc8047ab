import { chmod, lstat, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';

import { codeOf } from '../../error-facts.ts';

/** The permission of a folder's user to write, and all permissions of that user. */
const [writable, all] = [0o200, 0o700];

const bytes = { encoding: 'buffer' } as const;

/** A name has at most 255 bytes, of which the suffix needs some. */
const maxNameCharacters = 40;

/** Makes a private, hidden folder for what goes to a path. */
export async function makeWorkFolder(within: string, path: string): Promise<string> {
  const name = Array.from(basename(path)).slice(0, maxNameCharacters).join('');
  return await mkdtemp(join(within, `.${name}.kubernetes-worker-`));
}

/** Removes a folder with all that is in it, also folders without the permission to write. */
export async function removeWorkFolder(folder: string): Promise<void> {
  try {
    await rm(folder, { recursive: true, force: true });
  } catch (error) {
    if (codeOf(error) !== 'EACCES') throw error;
    await permitAll(Buffer.from(folder));
    await rm(folder, { recursive: true, force: true });
  }
}

/** Moves an entry to another folder. Of a folder, that needs the permission to write to it. */
export async function moveEntry(from: Buffer, to: Buffer): Promise<void> {
  const status = await lstat(from);
  if (!status.isDirectory() || (status.mode & writable) !== 0) return await rename(from, to);
  const mode = status.mode & 0o7777;
  await chmod(from, mode | writable);
  let place = from;
  try {
    await rename(from, to);
    place = to;
  } finally {
    await chmod(place, mode);
  }
}

/** Returns the path of an entry of a folder. Names may have any encoding. */
export function pathIn(folder: string | Buffer, name: Buffer): Buffer {
  return Buffer.concat([Buffer.from(folder), Buffer.from('/'), name]);
}

async function permitAll(folder: Buffer): Promise<void> {
  await chmod(folder, all);
  for (const entry of await readdir(folder, { ...bytes, withFileTypes: true }))
    if (entry.isDirectory()) await permitAll(pathIn(folder, entry.name));
}
