import type { Readable } from 'node:stream';

import type { AbortOptions } from '../runtime/options.ts';

/**
 * What a store has received of an archive.
 *
 * @public
 */
export interface WrittenArchive {
  /** The number of bytes in the store. */
  readonly storedBytes: number;
  /** SHA-256, in hex, of these bytes, as the store or its client has computed it while writing. */
  readonly storedDigest: string;
}

/**
 * An archive in a listing.
 *
 * @public
 */
export interface ListedArchive {
  /** The key of the archive. */
  readonly key: string;
  /** The number of bytes in the store. */
  readonly storedBytes: number;
  /** When the archive was last written, by the store's clock. */
  readonly modifiedAt: Date;
}

/**
 * How full a store is.
 *
 * @public
 */
export interface StoreUsage {
  /** The size of the store in bytes. */
  readonly totalBytes: number;
  /** The number of bytes that can still be written. */
  readonly freeBytes: number;
}

/**
 * Options of `ArchiveStore.read`.
 *
 * @public
 */
export interface ReadArchiveOptions extends AbortOptions {
  /** The offset of the first byte to read. @defaultValue 0 */
  readonly offset?: number | undefined;
}

/**
 * Keeps archives: immutable sequences of bytes under keys. A key has the characters `[a-z0-9./-]`
 * only, and three parts that are separated by `/`. It is used for one archive only: the library
 * never writes a key again. It neither needs nor expects a rename, an append or a change.
 *
 * A host's own store implements this interface. The contract suite of the library's stores describes
 * it. Errors of a store are `StoreUnavailableError` if the same call may succeed later,
 * `StoreDeniedError`, `ArchiveMissingError` and `DiskFullError`. They name the key, and never contain
 * a credential.
 *
 * @public
 */
export interface ArchiveStore {
  /** The name that is stored with each archive. Unique among a worker's stores, and never `pod`. */
  readonly name: string;
  /**
   * Whether the store uses chunks of bytes for longer than it must. `false` means that `write` does not
   * use a chunk after it has asked for the next one, and that `read` passes on chunks that nothing else
   * uses, each with memory of its own. The library then frees the memory of a chunk as soon as it has
   * used it, and the collector has nothing to do. Bytes that are used nevertheless are lost.
   *
   * @defaultValue `true`
   */
  readonly keepsChunks?: boolean | undefined;
  /**
   * Writes an archive. Reads the source only as fast as it can store the bytes, and ends it on
   * failure. Resolves when the bytes are durable. After a rejection the key may have no, some or all
   * bytes, which `delete` removes. Rejects with the source's own error if the source fails. Rejects
   * if the store notices that the key exists; the existing bytes do not change.
   *
   * The signal stops the writing. The call then rejects after it has stopped for good: nothing of it
   * changes the store later.
   *
   * @throws StoreUnavailableError, StoreDeniedError, DiskFullError
   */
  write(key: string, bytes: AsyncIterable<Uint8Array>, options?: AbortOptions): Promise<WrittenArchive>;
  /**
   * Opens an archive. The readable continues after lost connections, and ends only at the end of the
   * stored bytes. Destroying it, and the signal, release its connection.
   *
   * @throws ArchiveMissingError, StoreUnavailableError, StoreDeniedError
   */
  read(key: string, options?: ReadArchiveOptions): Promise<Readable>;
  /**
   * Deletes all bytes of a key, also those of a write that failed or whose host has died. Resolves
   * with `false` if there were none.
   *
   * @throws StoreUnavailableError, StoreDeniedError
   */
  delete(key: string, options?: AbortOptions): Promise<boolean>;
  /**
   * Lists the archives whose keys begin with the prefix, in any order, incomplete ones included.
   * The iterable fails if the list cannot be read to its end. The list may lack or contain an
   * archive that is written or deleted while it is read.
   *
   * @throws StoreUnavailableError, StoreDeniedError
   */
  list(prefix: string, options?: AbortOptions): AsyncIterable<ListedArchive>;
  /**
   * Returns how full the store is. `undefined` if it has no limit that is known.
   *
   * @throws StoreUnavailableError
   */
  usage(options?: AbortOptions): Promise<StoreUsage | undefined>;
  /**
   * Resolves if the store can be used now.
   *
   * @throws StoreUnavailableError, StoreDeniedError, StoreNotConfiguredError
   */
  probe(options?: AbortOptions): Promise<void>;
  /** Releases connections and timers. Idempotent. Leaves all archives. */
  close(): Promise<void>;
}
