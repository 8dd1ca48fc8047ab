import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { chmod, type FileHandle, lstat, open, readdir, rename, rmdir, unlink } from 'node:fs/promises';
import { isRecord } from './objects/api-object.ts';

/**
 * The number of passes over a folder that cannot be emptied, or that gets new entries during the
 * removal.
 */
const maxRounds = 5;
/** The number of files that are removed concurrently. */
const concurrency = 32;

/**
 * Removes a directory tree of any depth, including the content of directories without write
 * permission and names in any encoding. Removes links without following them. Resolves if the path
 * does not exist. Rejects with the first failure, after it has removed everything that can be
 * removed.
 */
export async function removeTree(path: string): Promise<void> {
  const stats = await orUndefined(lstat(path));
  if (stats === undefined) return;
  if (!stats.isDirectory()) {
    await orUndefined(unlink(path));
    return;
  }
  await chmod(path, 0o700).catch(() => undefined);
  const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    await emptyFolder(handle);
  } finally {
    await handle.close();
  }
  await orUndefined(rmdir(path));
}

/**
 * Empties an open folder. Moves the folders of each folder to the top before it removes that
 * folder, so every path is relative to the open folder and short.
 */
async function emptyFolder(handle: FileHandle): Promise<void> {
  const top = `/proc/self/fd/${handle.fd}`;
  const names = new NewNames();
  let failure: { readonly error: unknown } | undefined;
  const fail = (error: unknown): void => {
    failure ??= { error };
  };
  for (let round = 0; round < maxRounds; round += 1) {
    failure = undefined;
    // Folders that were moved to the top are removed in the same round.
    for (let before = -1; before !== names.used; ) {
      before = names.used;
      await removeEntries(top, { lift: (name) => liftFolders(pathIn(top, name), { top, names, fail }), fail });
    }
    if (failure === undefined && (await readdir(top)).length === 0) return;
  }
  rethrow(failure);
}

function rethrow(failure: { readonly error: unknown } | undefined): void {
  if (failure !== undefined) throw failure.error;
}

/** Generates names that do not occur in the tree. */
class NewNames {
  readonly #prefix = `.kw-${randomUUID()}`;
  #count = 0;
  /** The number of folders that were renamed. */
  used = 0;

  next(): string {
    this.#count += 1;
    return `${this.#prefix}-${this.#count}`;
  }
}

interface Removal {
  readonly fail: (error: unknown) => void;
  /** Removes or moves a folder. */
  readonly lift: (name: Buffer) => Promise<void>;
}

async function removeEntries(folder: string | Buffer, { lift, fail }: Removal): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true, encoding: 'buffer' });
  for (let first = 0; first < entries.length; first += concurrency) {
    const some = entries.slice(first, first + concurrency);
    await Promise.all(
      some.map(async (entry) => {
        try {
          if (entry.isDirectory()) await lift(entry.name);
          else await orUndefined(unlink(pathIn(folder, entry.name)));
        } catch (error) {
          fail(error);
        }
      }),
    );
  }
}

interface Lifting {
  readonly top: string;
  readonly names: NewNames;
  readonly fail: (error: unknown) => void;
}

/** Removes a folder, after it has moved the folders in it to the top. */
async function liftFolders(folder: string | Buffer, { top, names, fail }: Lifting): Promise<void> {
  await makeWritable(folder);
  const lift = async (name: Buffer): Promise<void> => {
    // A rename changes the folder's entry for its parent, so it needs write permission.
    await makeWritable(pathIn(folder, name));
    await orUndefined(rename(pathIn(folder, name), `${top}/${names.next()}`));
    names.used += 1;
  };
  await removeEntries(folder, { lift, fail });
  await orUndefined(rmdir(folder));
}

async function makeWritable(folder: string | Buffer): Promise<void> {
  await chmod(folder, 0o700).catch(() => undefined);
}

/** Names are bytes: as text, one that is not UTF-8 would be that of no entry. */
function pathIn(folder: string | Buffer, name: Buffer): Buffer {
  const bytes = typeof folder === 'string' ? Buffer.from(folder) : folder;
  return Buffer.concat([bytes, Buffer.from('/'), name]);
}

/** Resolves with `undefined` if the path no longer exists. */
async function orUndefined<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (isRecord(error) && error['code'] === 'ENOENT') return undefined;
    throw error;
  }
}
