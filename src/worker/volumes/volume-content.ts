import type { AbortOptions } from '../../runtime/options.ts';
import type { StreamSource } from '../../runtime/volume.ts';
import type { ReceivedArchive, ReceiveOptions, SentArchive } from '../../stores/artifact-store.ts';

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
  take(from: VolumeContent, options?: TakeOptions): Promise<ReceivedArchive | undefined>;
  /** Sends the entry at `path` as an archive. */
  send(path: string, options?: AbortOptions): Promise<SentArchive>;
}

/** Whether a path selects the whole content of a volume. */
export function isWhole(path: string): boolean {
  return path === '' || path === '.' || path === '/';
}
