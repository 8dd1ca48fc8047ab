import type { Readable } from 'node:stream';

import type { AbortOptions } from '../runtime/options.ts';
import type { StreamSource } from '../runtime/volume.ts';

/**
 * The place of a volume's bytes in a store. Only the store interprets it; the database keeps it.
 *
 * @public
 */
export type StoreLocation = Readonly<Record<string, string>>;

/**
 * Options of `ArtifactStore.copy`.
 *
 * @public
 */
export interface CopyOptions extends AbortOptions {
  /**
   * The generation of the lease under which the bytes are stored (`FoundContainer.generation`). A
   * store with a record of a later generation changes nothing and rejects with `LeaseLostError`.
   * @defaultValue no check
   */
  readonly generation?: number | undefined;
  /**
   * Called with the number of bytes of the raw archive that the store has received so far. It does
   * not throw. A transfer that restarts begins again with a lower number. @defaultValue none
   */
  readonly progress?: ((rawBytes: number) => void) | undefined;
}

/**
 * Options of `ArtifactStore.receive`.
 *
 * @public
 */
export interface ReceiveOptions extends CopyOptions {
  /** The limit for the content of all files, in bytes. @defaultValue no limit */
  readonly expandedLimitBytes?: number | undefined;
  /**
   * Called at the end of the archive. Returns whether its encoding has proven that the archive is
   * complete, so that no closing block is required. @defaultValue never
   */
  readonly isProven?: (() => boolean) | undefined;
}

/**
 * The archive that a store received, as verified by sender and receiver.
 *
 * @public
 */
export interface ReceivedArchive {
  /** The bytes of the raw archive. */
  readonly rawBytes: number;
  /** SHA-256 of the raw archive, in hex. */
  readonly digest: string;
  /** The number of entries of the archive. */
  readonly entries: number;
}

/**
 * An archive that a store sends.
 *
 * @public
 */
export interface SentArchive {
  /** The kind of the entry at the path. */
  readonly kind: 'directory' | 'file' | 'symlink';
  /**
   * The raw tar archive. It ends only after sender and receiver have verified it, and is destroyed
   * with the error otherwise. Destroying it ends the operation.
   */
  readonly archive: Readable;
}

/**
 * Stores the bytes of volumes. Archives are raw tar streams. Paths are relative to the volume.
 * Errors are those of `Volume`, with the facts that the store has.
 *
 * @public
 */
export interface ArtifactStore {
  /** The name that is stored with each volume. Unique among a worker's stores. */
  readonly name: string;
  /** Returns the future place of a volume that belongs to no container. Creates nothing. */
  locate(handle: string): StoreLocation;
  /** Creates the place, which is empty. Idempotent. */
  create(handle: string, location: StoreLocation, options?: AbortOptions): Promise<void>;
  /** Whether the place exists. Rejects if that cannot be determined. */
  exists(location: StoreLocation, options?: AbortOptions): Promise<boolean>;
  /**
   * Returns, for each place and in their order, whether it certainly does not exist: with `true` the
   * caller may delete the record of the place without `delete`. `false` decides nothing. It tests
   * what exists when the call begins or later, never an earlier observation. A store without a cheap
   * way for many places returns `false` for each.
   *
   * @throws an error if the places cannot be determined; no record is deleted
   */
  findMissing(locations: readonly StoreLocation[], options?: AbortOptions): Promise<readonly boolean[]>;
  /**
   * Unpacks an archive into the folder `path`, completely or not at all. Rejects with the source's
   * own error if the source fails. A source that is a function may be opened again.
   */
  receive(
    location: StoreLocation,
    path: string,
    archive: StreamSource,
    options?: ReceiveOptions,
  ): Promise<ReceivedArchive>;
  /**
   * Copies everything from one place of this store to another, like `send` and `receive`, but by
   * the shortest way.
   */
  copy(from: StoreLocation, to: StoreLocation, options?: CopyOptions): Promise<ReceivedArchive>;
  /**
   * Sends the entry at `path` as an archive.
   *
   * @throws FileNotFoundError, UnsafeArchivePathError
   */
  send(location: StoreLocation, path: string, options?: AbortOptions): Promise<SentArchive>;
  /**
   * Deletes the place that `create` created, with its content. Resolves when it no longer exists:
   * with `false` if it did not exist before.
   */
  delete(location: StoreLocation, options?: AbortOptions): Promise<boolean>;
  /**
   * Resolves if the store can be used now. Called for each heartbeat of the worker, which stalls
   * while it rejects. A store that needs nothing but the API server has none.
   */
  probe?(options?: AbortOptions): Promise<void>;
}

/** A store that also stores the volumes of containers. */
export interface ContainerVolumeStore extends ArtifactStore {
  /** Returns the future place of a volume of this container. Creates nothing. */
  locateInContainer(container: { readonly podName: string; readonly handle: string }, volume: string): StoreLocation;
}
