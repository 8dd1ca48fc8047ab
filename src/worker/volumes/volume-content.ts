import type { ArchiveReference, RawContent } from '../../repository/records.ts';
import type { AbortOptions } from '../../runtime/options.ts';
import type { StreamSource } from '../../runtime/volume.ts';
import type {
  ArtifactStore,
  ReceivedArchive,
  ReceiveOptions,
  SentArchive,
  StoreLocation,
} from '../../stores/artifact-store.ts';

/** The lease under which a volume is filled while its container is being created. */
export interface FillingLease {
  readonly holder: string;
  readonly generation: number;
}

export interface TakeOptions extends AbortOptions {
  readonly lease?: FillingLease | undefined;
  /** Called with the number of bytes of the raw archive that were received so far. */
  readonly progress?: ((rawBytes: number) => void) | undefined;
}

/** Options of `VolumeContent.receive`. */
export type FillOptions = TakeOptions & Pick<ReceiveOptions, 'expandedLimitBytes' | 'isProven'>;

/** Where the content of a volume is now. */
export interface ContentPlace {
  /** The handle of the volume. */
  readonly handle: string;
  /** The archive of the content. */
  readonly archive: ArchiveReference | undefined;
  /** The service that has the archive. Another one may have other stores of the same name. */
  readonly service: unknown;
  /** The place in a store of places that may change. Without an archive it has the content. */
  readonly open: { readonly store: ArtifactStore; readonly location: StoreLocation } | undefined;
  /** See `PodVolume.received`. */
  readonly received?: RawContent | undefined;
}

/** What a volume has taken from another one. */
export type TakenContent = Pick<ReceivedArchive, 'rawBytes' | 'digest'>;

/** The content of a volume, wherever it is. Archives are raw tar streams. */
export interface VolumeContent {
  /**
   * Unpacks an archive into the folder `path`, completely or not at all, and marks the volume ready.
   * Rejects with the source's own error if the source fails. A source that is a function may be
   * opened again.
   */
  receive(path: string, archive: StreamSource, options?: FillOptions): Promise<ReceivedArchive>;
  /**
   * Copies everything of another content by a shorter way than `send` and `receive`, and marks the
   * volume ready. Returns `undefined`, and does nothing, if there is none.
   */
  take(from: VolumeContent, options?: TakeOptions): Promise<TakenContent | undefined>;
  /** Sends the entry at `path` as an archive. */
  send(path: string, options?: AbortOptions): Promise<SentArchive>;
  /** Returns where the content is. */
  locate(options?: AbortOptions): Promise<ContentPlace>;
}

/** Whether a path selects the whole content of a volume. */
export function isWhole(path: string): boolean {
  return path === '' || path === '.' || path === '/';
}
