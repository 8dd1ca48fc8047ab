import { lstat, mkdir, readdir, rename, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';

import { unpackFolder } from '../../../index.ts';
import { codeOf } from '../../error-facts.ts';
import { CliError, UsageError } from '../cli-error.ts';
import { ExitCode } from '../exit-code.ts';
import { makeWorkFolder, moveEntry, pathIn, removeWorkFolder } from './work-folder.ts';

/** What was at the target could not be moved back to its place. */
class NotRestoredError extends CliError {}

export interface TargetOptions {
  /** Whether what exists at the target is replaced. */
  readonly force: boolean;
}

/**
 * Checks that a target can be written, before the work that leads to its content.
 *
 * @throws UsageError if the target exists, unless it is an empty folder or `force` is set, if it is
 * neither a file nor a folder, such as a device, or if it is in no folder
 */
export async function checkTarget(target: string, { force }: TargetOptions): Promise<void> {
  const path = resolve(target);
  const existing = await kindAt(path);
  if (existing === undefined) await folderOf(path, target);
  else if (existing === 'other') throw new UsageError(`${target} is neither a file nor a folder`);
  else if (!force && !(existing === 'folder' && (await readdir(path)).length === 0))
    throw new UsageError(`${target} exists: use --force to replace it`);
}

/**
 * Unpacks an archive at a path of this machine: the content of a folder becomes the content of a
 * folder, and one file becomes a file. The content goes to a hidden folder beside the target first,
 * and to its place by renames when the archive has been read to its end. After a failure the target
 * is as it was, and nothing else is left.
 *
 * @throws UsageError as `checkTarget`
 */
export async function unpackTo(
  target: string,
  open: () => Promise<AsyncIterable<Uint8Array>>,
  options: TargetOptions,
): Promise<void> {
  await checkTarget(target, options);
  const path = resolve(target);
  const existing = await kindAt(path);
  const isFolder = existing === 'folder';
  const beside = isFolder ? path : await folderOf(path, target);
  const work = await makeWorkFolder(beside, path);
  try {
    // The work folder is private. Its content has the permissions of a new folder.
    const content = join(work, 'content');
    const { kind } = await unpackFolder(await open(), content);
    const [single] = kind === 'file' ? await readdir(content, bytes) : [];
    if (isFolder) await replaceContent(path, content, work, single);
    else if (single !== undefined && !target.endsWith('/')) await rename(pathIn(content, single), path);
    else if (existing === undefined) await rename(content, path);
    else throw new UsageError(`${target} is a file, and the source is a folder`);
  } catch (error) {
    if (!(error instanceof NotRestoredError)) await removeWorkFolder(work);
    throw error;
  }
  await removeWorkFolder(work);
}

/**
 * Moves new content into a folder, and what was there into the work folder within it; of one file
 * only the entry of the same name. Moves everything back if a rename fails.
 */
async function replaceContent(path: string, content: string, work: string, single: Buffer | undefined): Promise<void> {
  const old = join(work, 'old');
  await mkdir(old);
  const present = (await readdir(path, bytes)).filter((name) => name.toString() !== basename(work));
  const replaced = single === undefined ? present : present.filter((name) => name.equals(single));
  const moves = [
    ...replaced.map((name) => [pathIn(path, name), pathIn(old, name)] as const),
    ...(await readdir(content, bytes)).map((name) => [pathIn(content, name), pathIn(path, name)] as const),
  ];
  const done: (readonly [Buffer, Buffer])[] = [];
  try {
    for (const [from, to] of moves) {
      await moveEntry(from, to);
      done.push([from, to]);
    }
  } catch (error) {
    await restore(done, old);
    throw error;
  }
}

async function restore(done: readonly (readonly [Buffer, Buffer])[], old: string): Promise<void> {
  try {
    for (const [from, to] of done.toReversed()) await moveEntry(to, from);
  } catch (error) {
    throw new NotRestoredError(`the earlier content of the target is in ${old}`, ExitCode.Failure, { cause: error });
  }
}

const bytes = { encoding: 'buffer' } as const;

/** Returns the folder that a target is in. @throws UsageError if there is none */
export async function folderOf(path: string, target: string): Promise<string> {
  const folder = dirname(path);
  if ((await kindAt(folder)) !== 'folder') throw new UsageError(`${target} is in a folder that does not exist`);
  return folder;
}

/**
 * Returns what is at a path, `undefined` if it is nothing. A link counts as what it leads to, and as a
 * file if that is nothing.
 */
async function kindAt(path: string): Promise<'folder' | 'file' | 'other' | undefined> {
  const found = await lstat(path).catch(noneAt);
  if (found === undefined) return undefined;
  const reached = found.isSymbolicLink() ? await stat(path).catch(noneAt) : found;
  if (reached?.isDirectory() === true) return 'folder';
  return reached === undefined || reached.isFile() ? 'file' : 'other';
}

function noneAt(error: unknown): undefined {
  if (!['ENOENT', 'ENOTDIR', 'ELOOP'].includes(codeOf(error) ?? '')) throw error;
}
