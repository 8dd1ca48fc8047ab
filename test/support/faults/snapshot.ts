import { createHash } from 'node:crypto';
import { lstat, readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * A tree: each path with its kind, mode, content and, for files, time. The times of folders change
 * with their content.
 */
export type Snapshot = ReadonlyMap<string, string>;

async function describe(path: string): Promise<string> {
  const status = await lstat(path);
  const mode = (status.mode & 0o7777).toString(8);
  if (status.isDirectory()) return `folder ${mode}`;
  if (status.isSymbolicLink()) return `link to ${await readlink(path)}`;
  const content = createHash('sha256')
    .update(await readFile(path))
    .digest('hex')
    .slice(0, 16);
  return `file ${mode} ${Math.floor(status.mtimeMs / 1000)} ${content}`;
}

export async function snapshotOf(folder: string): Promise<Snapshot> {
  const names = await readdir(folder, { recursive: true });
  return new Map(
    await Promise.all(names.sort().map(async (name) => [name, await describe(join(folder, name))] as const)),
  );
}

export function sameTree(one: Snapshot, other: Snapshot): boolean {
  return one.size === other.size && [...one].every(([path, entry]) => other.get(path) === entry);
}

/** Returns the first paths that differ, for a message. */
export function differences(one: Snapshot, other: Snapshot): string {
  const paths = [...new Set([...one.keys(), ...other.keys()])].filter((path) => one.get(path) !== other.get(path));
  return paths
    .slice(0, 4)
    .map((path) => `${path}: ${one.get(path) ?? 'absent'} / ${other.get(path) ?? 'absent'}`)
    .join('; ');
}
