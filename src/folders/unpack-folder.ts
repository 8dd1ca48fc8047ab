import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { EntryCheck } from '../archives/tar/entry-check.ts';
import { displayName, type TarEntry, TarReader, type TarSink } from '../archives/tar/tar-reader.ts';
import { InvalidSpecError } from '../errors/caller.ts';
import { UnsupportedEntryError } from '../errors/transfer.ts';
import { abortableChunks } from '../internal/abortable-chunks.ts';
import { endSource } from '../internal/end-source.ts';
import { hasCode } from '../internal/has-code.ts';
import type { UnpackedFolder, UnpackFolderOptions } from '../runtime/folder.ts';
import type { ReadOnceSource } from '../runtime/volume.ts';
import { archiveChunks, localPath, unpackFolderOptions } from '../validation/folder-shapes.ts';
import { checkShape } from '../validation/shape.ts';
import { FolderTree } from './folder-tree.ts';

/**
 * Unpacks a raw tar archive, such as that of `Volume.streamOut`, into a folder of this machine. The
 * folder must be empty, or must not exist while its parent does. No other process may change it
 * during the call.
 *
 * Nothing outside of the folder is ever changed, whatever the archive contains. An entry is refused
 * if its name leads out of the folder or through a link, if it occurs twice, or if it is a device,
 * a FIFO or a sparse file. Links keep their targets, which may lead anywhere, and are never
 * followed. Owners and set-id bits are left out. Modes and times are set when the content is in
 * place; the folder itself keeps its own. ustar, pax and the long names of GNU are supported, and
 * names in any encoding.
 *
 * After a failure the folder is empty again, or does not exist, and the archive is ended. The call
 * reads the archive to its end, so that a transfer is verified when it resolves. One chunk of the
 * archive is in memory, and the names of its folders.
 *
 * @example
 * ```ts
 * import { unpackFolder } from 'kubernetes-worker';
 *
 * const archive = await volume.streamOut('result');
 * const { entries } = await unpackFolder(archive, './result', { expandedLimitBytes: 1024 ** 3 });
 * ```
 *
 * @throws InvalidSpecError if an argument is invalid, or if the folder is not empty
 * @throws UnsafeArchivePathError if an entry leads out of the folder
 * @throws UnsupportedEntryError if an entry is neither a file, a folder nor a link
 * @throws PathConflictError if an entry is within a file or a link
 * @throws CorruptArchiveError, TruncatedArchiveError if the archive is damaged
 * @throws ArtifactTooLargeError if the files have more bytes than `expandedLimitBytes`
 * @throws the error of Node, with its code (`ENOSPC`, `EACCES`), if the folder cannot be written
 * @public
 */
export async function unpackFolder(
  archive: ReadOnceSource,
  folder: string,
  options: UnpackFolderOptions = {},
): Promise<UnpackedFolder> {
  checkShape('archive', archiveChunks, archive);
  try {
    checkShape('folder', localPath, folder);
    checkShape('options', unpackFolderOptions, options);
    const isNew = await prepare(folder);
    return await unpack(archive, folder, options).catch(async (error: unknown) => {
      await clear(folder, isNew, error);
      throw error;
    });
  } catch (error) {
    endSource(archive, error);
    throw error;
  }
}

/** Makes the folder. Returns whether it is new. @throws InvalidSpecError if it is not empty */
async function prepare(folder: string): Promise<boolean> {
  const isNew = await mkdir(folder).then(
    () => true,
    (error: unknown) => {
      if (hasCode(error, 'EEXIST')) return false;
      throw error;
    },
  );
  if (!isNew && (await readdir(folder)).length > 0) throw new InvalidSpecError('folder', 'is not empty');
  return isNew;
}

/** Removes what was unpacked. */
async function clear(folder: string, isNew: boolean, failure: unknown): Promise<void> {
  try {
    if (isNew) await rm(folder, { recursive: true, force: true });
    else
      for (const name of await readdir(folder, { encoding: 'buffer' }))
        await rm(Buffer.concat([Buffer.from(join(folder, '/')), name]), { recursive: true, force: true });
  } catch (error) {
    throw new AggregateError([failure, error], `${folder} could not be emptied after a failure`, { cause: failure });
  }
}

async function unpack(
  archive: AsyncIterable<unknown>,
  folder: string,
  { expandedLimitBytes, signal }: UnpackFolderOptions,
): Promise<UnpackedFolder> {
  const parts = new CheckedParts(expandedLimitBytes);
  const reader = new TarReader(parts, {});
  const tree = new FolderTree(folder);
  try {
    for await (const chunk of abortableChunks(archive, signal)) {
      if (!(chunk instanceof Uint8Array)) throw new InvalidSpecError('archive', 'gives something other than bytes');
      reader.push(chunk);
      for (const part of parts.take())
        await ('entry' in part ? tree.add(part.entry, part.path) : tree.write(part.content));
    }
    reader.end(false);
    await tree.finish();
    return parts.unpacked();
  } finally {
    await tree.close();
  }
}

type Part = { readonly entry: TarEntry; readonly path: string } | { readonly content: Buffer };

/** Checks the entries of an archive, and holds the parts of its last chunk. */
class CheckedParts implements TarSink {
  readonly #check: EntryCheck;
  #parts: Part[] = [];
  #count = 0;
  #isFile = false;

  constructor(limitBytes: number | undefined) {
    this.#check = new EntryCheck({}, limitBytes);
  }

  entry(entry: TarEntry): void {
    const path = this.#check.take(entry);
    if (entry.isSparse) throw new UnsupportedEntryError({ entry: displayName(entry.name) }, 'a sparse file');
    this.#count += 1;
    this.#isFile = this.#count === 1 && entry.kind !== 'directory' && !entry.name.includes('/');
    this.#parts.push({ entry, path });
  }

  content(content: Buffer): void {
    this.#parts.push({ content });
  }

  /** Returns the parts since the last call. */
  take(): readonly Part[] {
    const parts = this.#parts;
    this.#parts = [];
    return parts;
  }

  unpacked(): UnpackedFolder {
    const { entries, expandedBytes } = this.#check;
    return { kind: this.#isFile ? 'file' : 'folder', entries, expandedBytes };
  }
}
