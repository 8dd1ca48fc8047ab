import type { ArchivedVolume } from '../repository/archive-repository.ts';
import type { ArchiveReference, RawContent } from '../repository/records.ts';
import type { AbortOptions } from '../runtime/options.ts';
import type { ArchiveStore } from '../stores/archive-store.ts';
import type { CopyOptions, ReceivedArchive, SentArchive, StoreLocation } from '../stores/artifact-store.ts';
import type { WriteOptions } from './archive-transfers.ts';

/** A volume whose content is in a pod. */
export interface PodVolume {
  readonly handle: string;
  readonly location: StoreLocation;
  /** The archive that the volume has now. */
  readonly archive: ArchiveReference | undefined;
  /**
   * What the volume has received as a whole, such as an input. It may have changed since.
   *
   * @defaultValue unknown
   */
  readonly received?: RawContent | undefined;
}

export interface SaveOptions extends AbortOptions {
  /** See `NewArchive.purpose`. @defaultValue none */
  readonly purpose?: string | undefined;
  /**
   * Whether the volume keeps the content that it has: the archive gets no reference. @defaultValue
   * false
   */
  readonly isDetached?: boolean | undefined;
  /** How long the call retries while the store is unavailable, in milliseconds. */
  readonly budgetMs: number;
  /** Called with the number of raw bytes so far. @defaultValue none */
  readonly progress?: ((rawBytes: number) => void) | undefined;
  /** Called with the error of an attempt that is repeated within the budget. @defaultValue none */
  readonly retrying?: ((error: unknown) => void) | undefined;
}

/** The result of a save, or of a copy from another store. */
export interface SavedVolume {
  readonly archive: ArchiveReference;
  /** Whether the archive existed, so that no bytes moved. */
  readonly isUnchanged: boolean;
  /**
   * Whether the archive is the content of the volume now. `false` if the volume has another archive
   * than the given, or is live no more; the reaper then deletes an archive without a reference.
   */
  readonly isContent: boolean;
}

/** A volume that an archive of the host becomes the content of. */
export interface VolumeToWrite {
  readonly handle: string;
  /** The archive that the volume has now. */
  readonly archive: ArchiveReference | undefined;
}

/** The result of writing a host's archive. */
export interface WrittenVolume {
  readonly archive: ArchiveReference;
  readonly entries: number;
  /** See `GivenArchive.isPlain`. */
  readonly isPlain: boolean;
  /** See `SavedVolume.isContent`. An archive that is not plain never becomes the content. */
  readonly isContent: boolean;
}

/**
 * Archives and their rows: each method keeps the lease of the archive that it writes, and leaves
 * nothing that the reaper would not delete.
 */
export interface ArchiveService {
  /** Returns a store by its name. @throws StoreNotConfiguredError */
  store(name: string): ArchiveStore;
  /**
   * Saves the content of a volume in a pod to a store, and makes it the content of the volume.
   * Moves no bytes if the content equals the archive of the volume, one of `candidates`, or an
   * archive in the store of what the volume has received.
   */
  save(
    volume: PodVolume,
    storeName: string,
    options: SaveOptions & { readonly candidates?: readonly ArchiveReference[] | undefined },
  ): Promise<SavedVolume>;
  /**
   * Writes a raw tar archive of the host, and makes it the content of an artifact volume if it is
   * plain. Otherwise the archive is ready without a reference: the caller loads it into a pod, and
   * saves it from there.
   */
  write(
    volume: VolumeToWrite,
    storeName: string,
    archive: AsyncIterable<Uint8Array>,
    options: WriteOptions,
  ): Promise<WrittenVolume>;
  /**
   * Copies an archive to another store, neither decoded nor encoded again, and makes the copy the
   * content of an artifact volume. Moves no bytes if that store has an archive of the content.
   */
  copy(
    archive: ArchiveReference,
    volume: VolumeToWrite,
    storeName: string,
    options: Pick<SaveOptions, 'budgetMs' | 'signal'>,
  ): Promise<SavedVolume>;
  /**
   * Makes an archive the content of a volume, which moves no bytes. Resolves with `false` if the
   * archive is being deleted, or if the volume has another archive than the expected one.
   */
  refer(archive: ArchiveReference, volume: ArchivedVolume, options?: AbortOptions): Promise<boolean>;
  /** As `ArchiveTransfers.relay`. */
  relay(from: StoreLocation, to: StoreLocation, options?: CopyOptions): Promise<ReceivedArchive>;
  /** Unpacks an archive into a place of a pod, and records the use. */
  load(archive: ArchiveReference, to: StoreLocation, options?: CopyOptions): Promise<ReceivedArchive>;
  /** Does what `ArchiveTransfers.open` does, and records the use. */
  open(archive: ArchiveReference, path: string, options?: AbortOptions): Promise<SentArchive>;
}
