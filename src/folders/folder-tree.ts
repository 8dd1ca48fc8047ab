import {
  chmod,
  constants,
  type FileHandle,
  link,
  lstat,
  lutimes,
  mkdir,
  open,
  symlink,
  utimes,
} from 'node:fs/promises';

import { attributesOf, type EntryAttributes } from '../archives/tar/entry-attributes.ts';
import { normalPath } from '../archives/tar/entry-path.ts';
import { displayName, type TarEntry } from '../archives/tar/tar-reader.ts';
import { CorruptArchiveError, PathConflictError } from '../errors/transfer.ts';
import { hasCode } from '../internal/has-code.ts';
import { bytesOf, pathOf } from './byte-path.ts';

/**
 * The empty folder that is being filled. It only adds to folders that it has made itself, so that it
 * never follows a link. Names and paths are bytes, as latin1 text.
 */
export class FolderTree {
  readonly #root: string;
  /** The folders that exist, with the attributes that they get at the end. */
  readonly #folders = new Map<string, EntryAttributes | undefined>([['', undefined]]);
  #file: { readonly handle: FileHandle; readonly attributes: EntryAttributes } | undefined;

  constructor(root: string) {
    this.#root = bytesOf(root);
  }

  /**
   * Adds an entry.
   *
   * @param path - the normal path of the entry
   * @throws CorruptArchiveError, PathConflictError
   */
  async add(entry: TarEntry, path: string): Promise<void> {
    await this.#finishFile();
    const attributes = attributesOf(entry);
    if (entry.kind === 'directory') return await this.#folder(path, attributes);
    await this.#folder(parentOf(path));
    try {
      await this.#create(entry, path, attributes);
    } catch (error) {
      if (hasCode(error, 'EEXIST')) throw corrupt(path, 'occurs twice', error);
      throw error;
    }
  }

  /** Adds content to the last entry, which is a file. */
  async write(bytes: Uint8Array): Promise<void> {
    await this.#file?.handle.writeFile(bytes);
  }

  /** Sets the modes and times of folders, which adding entries changes, from the innermost on. */
  async finish(): Promise<void> {
    await this.#finishFile();
    for (const [path, attributes] of [...this.#folders].toReversed()) {
      if (attributes === undefined || path === '') continue;
      const at = this.#at(path);
      await utimes(at, secondsOf(attributes), secondsOf(attributes));
      await chmod(at, attributes.mode);
    }
  }

  /** Closes the file of an entry that was not completed. */
  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.handle.close();
  }

  async #create(entry: TarEntry, path: string, attributes: EntryAttributes): Promise<void> {
    const at = this.#at(path);
    if (entry.kind === 'link') return await this.#link(entry, path);
    if (entry.kind === 'symlink') {
      await symlink(pathOf(entry.target), at);
      return await lutimes(at, secondsOf(attributes), secondsOf(attributes));
    }
    const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
    this.#file = { handle: await open(at, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600), attributes };
  }

  async #finishFile(): Promise<void> {
    if (this.#file === undefined) return;
    const { handle, attributes } = this.#file;
    await handle.utimes(secondsOf(attributes), secondsOf(attributes));
    await handle.chmod(attributes.mode);
    await this.close();
  }

  async #link({ target }: TarEntry, path: string): Promise<void> {
    const to = normalPath(target);
    const isKnown = typeof to === 'string' && this.#folders.has(parentOf(to));
    const isFile = isKnown && (await lstat(this.#at(to)).then((status) => !status.isDirectory(), absent));
    if (!isFile) throw corrupt(path, `is a link to ${shown(target)}, which is not a file of the archive before it`);
    await link(this.#at(to), this.#at(path));
  }

  /** Makes a folder and the missing ones above it. A link or a file in the place of one is refused. */
  async #folder(path: string, attributes?: EntryAttributes): Promise<void> {
    if (!this.#folders.has(path)) {
      await this.#folder(parentOf(path));
      // Without the permissions of others until the content is complete.
      await mkdir(this.#at(path), attributes === undefined ? {} : { mode: 0o700 }).catch((error: unknown) => {
        if (!hasCode(error, 'EEXIST')) throw error;
        const detail = 'it is a folder, and a file or a link as well';
        throw new PathConflictError({ entry: displayName(path) }, detail, { cause: error });
      });
    } else if (attributes === undefined) return;
    this.#folders.set(path, attributes);
  }

  #at(path: string): Buffer {
    return pathOf(`${this.#root}/${path}`);
  }
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(path.lastIndexOf('/'), 0));
}

function corrupt(path: string, what: string, cause?: unknown): CorruptArchiveError {
  return new CorruptArchiveError({ entry: displayName(path) }, `${shown(path)} ${what}`, { cause });
}

function shown(name: string): string {
  return JSON.stringify(displayName(name));
}

function secondsOf({ mtimeNs }: EntryAttributes): number {
  return Number(mtimeNs) / 1e9;
}

/** A path that cannot be examined is not a file of the archive. */
function absent(): false {
  return false;
}
