import type { ArchiveContent, ArchiveReference } from '../repository/records.ts';
import type { AbortOptions } from '../runtime/options.ts';
import type { ArchiveStore } from '../stores/archive-store.ts';
import type { CopyOptions, ReceivedArchive, SentArchive, StoreLocation } from '../stores/artifact-store.ts';
import type { FrameSource, FrameStore } from '../stores/frame-store.ts';

/** An archive that was written from a tar stream of the host. */
export interface GivenArchive extends ArchiveContent {
  /** The number of entries. */
  readonly entries: number;
  /** The size of the content of all files. */
  readonly expandedBytes: number;
  /**
   * Whether a path can be read from the archive without unpacking it: no name occurs twice, and
   * nothing but files, folders and links that follow what they refer to. Otherwise the archive has to
   * be unpacked and packed again by an agent.
   */
  readonly isPlain: boolean;
}

export interface WriteOptions extends AbortOptions {
  /** The limit for the content of all files, in bytes. @defaultValue no limit */
  readonly expandedLimitBytes?: number | undefined;
  /** See `ReceiveOptions.isProven`. @defaultValue never */
  readonly isProven?: (() => boolean) | undefined;
  /** Called with the number of raw bytes so far. @defaultValue none */
  readonly progress?: ((rawBytes: number) => void) | undefined;
}

/**
 * Moves archives between their stores, the pods and the host. Uses no database. Errors are those of
 * the store, of the agent and of `Volume`.
 */
export interface ArchiveTransfers {
  /**
   * Writes the frames of a volume to a key, without encoding them again. Verifies what it passes on:
   * resolves only if the frames decode to the size and digest that the agent has sent. The source is
   * opened once.
   */
  save(
    store: ArchiveStore,
    key: string,
    source: FrameSource,
    options?: AbortOptions & { readonly progress?: ((rawBytes: number) => void) | undefined },
  ): Promise<ArchiveContent>;
  /**
   * Copies the content of a place in a pod to another place in a pod, without encoding it again.
   * Verifies what it passes on, as `save` does: the agents of both pods may be in the hands of one
   * user, and agree on a digest of bytes that neither of them has.
   */
  relay(pods: FrameStore, from: StoreLocation, to: StoreLocation, options?: CopyOptions): Promise<ReceivedArchive>;
  /** Writes a raw tar archive of the host to a key. Checks it as an agent does when it unpacks. */
  write(
    store: ArchiveStore,
    key: string,
    archive: AsyncIterable<Uint8Array>,
    options?: WriteOptions,
  ): Promise<GivenArchive>;
  /**
   * Unpacks an archive into a place of a pod, without decoding it in the host. Verifies the stored
   * digest as well.
   *
   * @throws ArchiveMissingError, ArchiveDamagedError
   */
  load(
    store: ArchiveStore,
    archive: ArchiveReference,
    to: { readonly pods: FrameStore; readonly location: StoreLocation },
    options?: CopyOptions,
  ): Promise<ReceivedArchive>;
  /**
   * Sends the entry at `path` as an archive, as `ArtifactStore.send` does: the root as the bytes that
   * were written, another path as a new archive. The readable ends only after the bytes that it needs
   * were verified.
   *
   * @throws FileNotFoundError, UnsafeArchivePathError, ArchiveMissingError, ArchiveDamagedError
   */
  open(store: ArchiveStore, archive: ArchiveReference, path: string, options?: AbortOptions): Promise<SentArchive>;
  /** Copies the stored bytes to another store, and verifies them. */
  copy(
    from: { readonly store: ArchiveStore; readonly archive: ArchiveReference },
    to: { readonly store: ArchiveStore; readonly key: string },
    options?: AbortOptions,
  ): Promise<ArchiveContent>;
}
