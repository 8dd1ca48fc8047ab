/**
 * Trees on disk for the tar specs: created from a description, and described again with all facts
 * that an archive keeps.
 */
import { createHash } from 'node:crypto';
import {
  chmod,
  link,
  lstat,
  lutimes,
  mkdir,
  open,
  readdir,
  readFile,
  readlink,
  symlink,
  writeFile,
} from 'node:fs/promises';

/**
 * An entry at a path. Paths are bytes, since a name need not be UTF-8. Times are in seconds;
 * folders precede their content.
 */
export type TreeEntry = { readonly path: Buffer; readonly mtime: number } & (
  | { readonly kind: 'folder'; readonly mode: number }
  | { readonly kind: 'file'; readonly mode: number; readonly content: Buffer }
  /** Pieces at their offsets, with holes between them and after the last. */
  | {
      readonly kind: 'sparse';
      readonly mode: number;
      readonly size: number;
      readonly pieces: ReadonlyMap<number, Buffer>;
    }
  | { readonly kind: 'symlink'; readonly target: Buffer }
  | { readonly kind: 'hardlink'; readonly target: Buffer }
);

export function below(folder: string, path: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${folder}/`), path]);
}

async function makeEntry(folder: string, entry: TreeEntry): Promise<void> {
  const path = below(folder, entry.path);
  if (entry.kind === 'folder') return mkdir(path);
  if (entry.kind === 'symlink') return symlink(entry.target, path);
  if (entry.kind === 'hardlink') return link(below(folder, entry.target), path);
  if (entry.kind === 'file') return writeFile(path, entry.content);
  await using file = await open(path, 'w');
  for (const [offset, bytes] of entry.pieces) await file.write(bytes, 0, bytes.length, offset);
  await file.truncate(entry.size);
}

/** Creates the tree in an empty folder; sets modes and times last, the deepest first. */
export async function makeTree(folder: string, entries: readonly TreeEntry[]): Promise<void> {
  for (const entry of entries) await makeEntry(folder, entry);
  for (const entry of entries.toReversed()) {
    if (entry.kind === 'hardlink') continue;
    if (entry.kind !== 'symlink') await chmod(below(folder, entry.path), entry.mode);
    await lutimes(below(folder, entry.path), entry.mtime, entry.mtime);
  }
}

export interface TreeFacts {
  readonly kind: 'folder' | 'file' | 'symlink';
  /** 07777; 0 for a symbolic link. */
  readonly mode: number;
  readonly mtimeNs: bigint;
  /** The size and digest of a file, the target of a link. */
  readonly content: string;
  /** The first path of a file with several, for the others. */
  readonly sameAs: string | undefined;
}

async function pathsIn(folder: string, path: Buffer): Promise<Buffer[]> {
  const names = await readdir(path.length === 0 ? folder : below(folder, path), { encoding: 'buffer' });
  return names
    .toSorted(Buffer.compare)
    .map((name) => (path.length === 0 ? name : Buffer.concat([path, Buffer.from('/'), name])));
}

/**
 * Describes all entries below a folder by their path in latin1: bytewise in each folder, a folder
 * before its content.
 */
export async function describeTree(folder: string): Promise<Map<string, TreeFacts>> {
  const found = new Map<string, TreeFacts>();
  const firstNames = new Map<bigint, string>();
  const pending = (await pathsIn(folder, Buffer.alloc(0))).toReversed();
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    const facts = await describeEntry(folder, path, firstNames);
    found.set(path.toString('latin1'), facts);
    if (facts.kind === 'folder') pending.push(...(await pathsIn(folder, path)).toReversed());
  }
  return found;
}

async function describeEntry(folder: string, path: Buffer, firstNames: Map<bigint, string>): Promise<TreeFacts> {
  const full = below(folder, path);
  const status = await lstat(full, { bigint: true });
  const facts = { mode: Number(status.mode & 0o7777n), mtimeNs: status.mtimeNs, sameAs: undefined };
  if (status.isSymbolicLink())
    return { ...facts, kind: 'symlink', mode: 0, content: (await readlink(full, 'buffer')).toString('latin1') };
  if (status.isDirectory()) return { ...facts, kind: 'folder', content: '' };
  if (!status.isFile()) throw new Error(`${full.toString()} is neither file, folder nor link`);
  const first = firstNames.get(status.ino);
  if (first === undefined) firstNames.set(status.ino, path.toString('latin1'));
  const digest = createHash('sha256')
    .update(await readFile(full))
    .digest('hex');
  return { ...facts, kind: 'file', content: `${status.size} ${digest}`, sameAs: first };
}
