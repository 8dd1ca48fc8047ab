import type { Readable } from 'node:stream';

import type { AbortOptions } from '../runtime/options.ts';
import type { StreamSource } from '../runtime/volume.ts';

/**
 * Where in a store a volume's bytes are: opaque to everybody but the store, and kept in the database.
 *
 * @public
 */
export type StoreLocation = Readonly<Record<string, string>>;

/** @public */
export interface CopyOptions extends AbortOptions {
  /**
   * The generation of the lease under which the bytes are put there (`FoundContainer.generation`). A store that knows of a later one changes
   * nothing, and rejects with `LeaseLostError`. @defaultValue every caller may
   */
  readonly generation?: number | undefined;
}

/** @public */
export interface ReceiveOptions extends CopyOptions {
  /** The most bytes that the content of files may have. @defaultValue no limit */
  readonly expandedLimitBytes?: number | undefined;
  /**
   * Asked at the archive's end: whether the encoding that it came in has proven that nothing is missing, so that no closing
   * block is needed. @defaultValue never
   */
  readonly isProven?: (() => boolean) | undefined;
}

/**
 * What a store took, as both ends agree.
 *
 * @public
 */
export interface ReceivedArchive {
  readonly rawBytes: number;
  /** SHA-256 of the raw archive, in hex. */
  readonly digest: string;
  readonly entries: number;
}

/**
 * An archive on its way out.
 *
 * @public
 */
export interface SentArchive {
  /** What is at the path. */
  readonly kind: 'directory' | 'file' | 'symlink';
  /** The raw tar archive. It `end`s only when both ends agree on it, and is destroyed with the error otherwise. Destroying it ends the operation. */
  readonly archive: Readable;
}

/**
 * Keeps volumes' bytes. Archives are raw tar streams; paths are relative to the volume. Errors are those of `Volume`, with what the store knows.
 *
 * @public
 */
export interface ArtifactStore {
  /** Stored with each volume; unique among a worker's stores. */
  readonly name: string;
  /** Where a volume of this handle that belongs to no container will be. Does nothing yet. */
  locate(handle: string): StoreLocation;
  /** Makes the place, empty. Idempotent. */
  create(handle: string, location: StoreLocation, options?: AbortOptions): Promise<void>;
  /** Whether the place is there. A throw means that it is not known. */
  exists(location: StoreLocation, options?: AbortOptions): Promise<boolean>;
  /** Unpacks an archive into the folder `path`, all or nothing. What the source fails with comes back as it is. One given as a function may be opened again. */
  receive(
    location: StoreLocation,
    path: string,
    archive: StreamSource,
    options?: ReceiveOptions,
  ): Promise<ReceivedArchive>;
  /** Puts all that is at one place of this store into another, as `send` and `receive` would, by the shortest way. */
  copy(from: StoreLocation, to: StoreLocation, options?: CopyOptions): Promise<ReceivedArchive>;
  /** @throws FileNotFoundError, UnsafeArchivePathError */
  send(location: StoreLocation, path: string, options?: AbortOptions): Promise<SentArchive>;
  /** Removes the place that `create` made, and what is in it. Resolves when it is gone; `false`: it was gone before. */
  delete(location: StoreLocation, options?: AbortOptions): Promise<boolean>;
}

/** A store that also has the volumes of containers. */
export interface ContainerVolumeStore extends ArtifactStore {
  /** Where a volume of this container will be. Does nothing yet. */
  locateInContainer(container: { readonly podName: string; readonly handle: string }, volume: string): StoreLocation;
}
