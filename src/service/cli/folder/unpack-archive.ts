import { chmod, constants, link, lstat, lutimes, mkdir, open, symlink, utimes } from 'node:fs/promises';

import { codeOf } from '../../error-facts.ts';
import { ArchiveError, type ReadEntry, readTar, shown } from './read-tar.ts';
import type { TarEntry } from './tar-entry.ts';

/** What an archive was. */
export interface Unpacked {
  /**
   * The name of the one file or link that the archive consists of, as latin1 text of its bytes.
   * `undefined` for the content of a folder, whose names begin with `./`.
   */
  readonly single: string | undefined;
}

/**
 * Unpacks a raw tar archive into an empty folder that no other process changes. Owners and set-id bits
 * are left out; modes and times are set when all content is in place.
 *
 * An entry is refused whose name leads out of the folder or through a link, that occurs twice, or that
 * is neither a file, a folder nor a link. Links keep their targets, and are never followed.
 *
 * @throws ArchiveError
 */
export async function unpackArchive(archive: AsyncIterable<Uint8Array>, folder: string): Promise<Unpacked> {
  const tree = new Tree(Buffer.from(folder).toString('latin1'));
  let first: TarEntry | undefined;
  let count = 0;
  for await (const entry of readTar(archive)) {
    first ??= entry;
    count += 1;
    await tree.add(entry);
  }
  await tree.finish();
  const isSingle = count === 1 && first?.name.includes('/') === false;
  return { single: isSingle ? first?.name : undefined };
}

/** The folder that is being filled. Names and paths are bytes, as latin1 text. */
class Tree {
  readonly #root: string;
  /** The folders that exist, with the entries that have their modes and times. */
  readonly #folders = new Map<string, TarEntry | undefined>();

  constructor(root: string) {
    this.#root = root;
  }

  async add(entry: ReadEntry): Promise<void> {
    const parts = partsOf(entry.name);
    const name = parts.join('/');
    if (entry.kind === 'folder') {
      await this.#folder(parts, entry);
      return;
    }
    if (name === '') throw new ArchiveError('it replaces the folder itself');
    await this.#folder(parts.slice(0, -1));
    try {
      await this.#create(name, entry);
    } catch (error) {
      if (codeOf(error) === 'EEXIST') throw new ArchiveError(`${shown(name)} occurs twice`);
      throw error;
    }
  }

  /** Sets the modes and times of folders, which adding entries changes, from the innermost on. */
  async finish(): Promise<void> {
    for (const [name, entry] of [...this.#folders].reverse()) {
      if (entry === undefined || name === '') continue;
      const path = this.#path(name);
      await utimes(path, secondsOf(entry), secondsOf(entry));
      await chmod(path, entry.mode & 0o1777);
    }
  }

  async #create(name: string, entry: ReadEntry): Promise<void> {
    const path = this.#path(name);
    switch (entry.kind) {
      case 'file':
        return await writeContent(path, entry);
      case 'symlink':
        await symlink(Buffer.from(entry.target, 'latin1'), path);
        return await lutimes(path, secondsOf(entry), secondsOf(entry));
      case 'link':
        return await this.#link(entry, path);
      case 'folder':
        throw new TypeError('a folder is made by its own method');
    }
  }

  async #link({ name, target }: TarEntry, path: Buffer): Promise<void> {
    const parts = partsOf(target);
    const parent = parts.slice(0, -1).join('/');
    const at = this.#path(parts.join('/'));
    const isFile = this.#isKnown(parent) && (await lstat(at).then((status) => !status.isDirectory(), absent));
    if (!isFile) throw new ArchiveError(`${shown(name)} is a link to ${shown(target)}, which is not in the archive`);
    await link(at, path);
  }

  #isKnown(folder: string): boolean {
    return folder === '' || this.#folders.has(folder);
  }

  /** Makes a folder and the missing ones above it. A link or a file in the place of one is refused. */
  async #folder(parts: readonly string[], entry?: TarEntry): Promise<void> {
    const name = parts.join('/');
    if (!this.#folders.has(name)) {
      if (parts.length > 0) {
        await this.#folder(parts.slice(0, -1));
        // Without the permissions of others until the content is complete.
        await mkdir(this.#path(name), entry === undefined ? {} : { mode: 0o700 }).catch((error: unknown) => {
          if (codeOf(error) !== 'EEXIST') throw error;
          throw new ArchiveError(`${shown(name)} is a folder, and a file or a link as well`);
        });
      }
      this.#folders.set(name, entry);
    } else if (entry !== undefined) this.#folders.set(name, entry);
  }

  #path(name: string): Buffer {
    return Buffer.from(`${this.#root}/${name}`, 'latin1');
  }
}

async function writeContent(path: Buffer, entry: ReadEntry): Promise<void> {
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  const handle = await open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  try {
    for await (const piece of entry.content) await handle.writeFile(piece);
    await handle.utimes(secondsOf(entry), secondsOf(entry));
    await handle.chmod(entry.mode & 0o1777);
  } finally {
    await handle.close();
  }
}

/** Returns the components of a name. @throws ArchiveError if they lead out of the folder */
function partsOf(name: string): string[] {
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (name.startsWith('/') || parts.includes('..')) throw new ArchiveError(`${shown(name)} leads out of the folder`);
  if (name.includes('\0')) throw new ArchiveError(`${shown(name)} is not a name`);
  return parts;
}

function secondsOf({ mtimeNs }: TarEntry): number {
  return Number(mtimeNs) / 1e9;
}

function absent(): false {
  return false;
}
