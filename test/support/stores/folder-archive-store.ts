import { createHash } from 'node:crypto';
import { mkdir, open, readdir, rm, stat } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import type { Readable } from 'node:stream';

import { ArchiveMissingError, StoreDeniedError } from '../../../src/errors/store.ts';
import { abortableChunks } from '../../../src/internal/abortable-chunks.ts';
import type { AbortOptions } from '../../../src/runtime/options.ts';
import type {
  ArchiveStore,
  ListedArchive,
  ReadArchiveOptions,
  WrittenArchive,
} from '../../../src/stores/archive-store.ts';
import { readableOf } from './memory-archive-store.ts';

/** Keeps each archive in a file of a folder, below the folders of its key. */
export class FolderArchiveStore implements ArchiveStore {
  readonly name: string;
  readonly #folder: string;

  constructor(folder: string, name = 'folder') {
    this.#folder = folder;
    this.name = name;
  }

  async write(key: string, bytes: AsyncIterable<Uint8Array>, { signal }: AbortOptions = {}): Promise<WrittenArchive> {
    signal?.throwIfAborted();
    await mkdir(dirname(this.#fileOf(key)), { recursive: true });
    const file = await open(this.#fileOf(key), 'wx').catch((cause: unknown) => {
      throw isCode(cause, 'EEXIST')
        ? new StoreDeniedError({ store: this.name, key }, 'write', 'the key exists')
        : cause;
    });
    const digest = createHash('sha256');
    let storedBytes = 0;
    try {
      for await (const chunk of abortableChunks(bytes, signal)) {
        signal?.throwIfAborted();
        digest.update(chunk);
        await file.writeFile(chunk);
        storedBytes += chunk.length;
      }
      signal?.throwIfAborted();
      await file.sync();
    } catch (error) {
      await file.close();
      await rm(this.#fileOf(key));
      throw error;
    }
    await file.close();
    return { storedBytes, storedDigest: digest.digest('hex') };
  }

  async read(key: string, { signal, offset = 0 }: ReadArchiveOptions = {}): Promise<Readable> {
    signal?.throwIfAborted();
    const file = await open(this.#fileOf(key)).catch((cause: unknown) => {
      throw isCode(cause, 'ENOENT') ? new ArchiveMissingError({ store: this.name, key }, { cause }) : cause;
    });
    const stream = file.createReadStream({ start: offset });
    return readableOf(stream, signal).once('close', () => stream.destroy());
  }

  async delete(key: string, { signal }: AbortOptions = {}): Promise<boolean> {
    signal?.throwIfAborted();
    return await rm(this.#fileOf(key)).then(
      () => true,
      (cause: unknown) => {
        if (isCode(cause, 'ENOENT')) return false;
        throw cause;
      },
    );
  }

  async *list(prefix: string, { signal }: AbortOptions = {}): AsyncIterable<ListedArchive> {
    signal?.throwIfAborted();
    for (const entry of await readdir(this.#folder, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      const key = relative(this.#folder, path);
      if (!entry.isFile() || !key.startsWith(prefix)) continue;
      const { size, mtime } = await stat(path);
      yield { key, storedBytes: size, modifiedAt: mtime };
    }
  }

  async usage(): Promise<undefined> {}

  async probe(): Promise<void> {
    await stat(this.#folder);
  }

  async close(): Promise<void> {}

  #fileOf(key: string): string {
    return join(this.#folder, key);
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
