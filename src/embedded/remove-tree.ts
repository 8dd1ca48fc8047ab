import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { chmod, type FileHandle, lstat, open, readdir, rename, rmdir, unlink } from 'node:fs/promises';
import { isRecord } from './objects/api-object.ts';

/** So often a folder is gone over in which something appears meanwhile, or that cannot be emptied. */
const maxRounds = 5;
/** So many files are removed at once. */
const concurrency = 32;

/**
 * Removes a directory and all in it, however deep, also what is in directories that may not be written. Links are
 * removed, never followed; a path that is gone is fine. Rejects with the first failure, after everything that can be
 * removed has been.
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
 * Every path is within the open folder, and so is short: a folder gives its own folders to the top before it is
 * removed.
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
    // What was lifted to the top comes in the same round.
    for (let before = -1; before !== names.used; ) {
      before = names.used;
      await removeEntries(top, { lift: (name) => liftFolders(`${top}/${name}`, { top, names, fail }), fail });
    }
    if (failure === undefined && (await readdir(top)).length === 0) return;
  }
  rethrow(failure);
}

function rethrow(failure: { readonly error: unknown } | undefined): void {
  if (failure !== undefined) throw failure.error;
}

/** Names that nothing has. */
class NewNames {
  readonly #prefix = `.kw-${randomUUID()}`;
  #count = 0;
  /** How many folders have got one. */
  used = 0;

  next(): string {
    this.#count += 1;
    return `${this.#prefix}-${this.#count}`;
  }
}

interface Removal {
  readonly fail: (error: unknown) => void;
  /** Called for each folder before it is removed. */
  readonly lift: (name: string) => Promise<void>;
}

async function removeEntries(folder: string, { lift, fail }: Removal): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true });
  for (let first = 0; first < entries.length; first += concurrency) {
    const some = entries.slice(first, first + concurrency);
    await Promise.all(
      some.map(async (entry) => {
        try {
          if (entry.isDirectory()) await lift(entry.name);
          else await orUndefined(unlink(`${folder}/${entry.name}`));
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

/** Removes a folder; the folders in it go to the top. */
async function liftFolders(folder: string, { top, names, fail }: Lifting): Promise<void> {
  await openUp(folder);
  const lift = async (name: string): Promise<void> => {
    // The kernel writes the new parent into it.
    await openUp(`${folder}/${name}`);
    await orUndefined(rename(`${folder}/${name}`, `${top}/${names.next()}`));
    names.used += 1;
  };
  await removeEntries(folder, { lift, fail });
  await orUndefined(rmdir(folder));
}

async function openUp(folder: string): Promise<void> {
  await chmod(folder, 0o700).catch(() => undefined);
}

/** A thing that is gone is `undefined`. */
async function orUndefined<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (isRecord(error) && error['code'] === 'ENOENT') return undefined;
    throw error;
  }
}
