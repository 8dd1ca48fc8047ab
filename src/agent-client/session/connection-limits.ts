import { Semaphore } from '../../internal/semaphore.ts';
import type { AbortOptions } from '../../runtime/options.ts';

/** The purpose of a connection. */
export type ConnectionUse = 'upload' | 'download' | 'attachment' | 'control';

/** The places of one use. */
export interface PlacesOfUse {
  readonly used: number;
  /** Calls that wait for a place. */
  readonly waiting: number;
  readonly limit: number;
}

export interface ConnectionLimitsOptions {
  /** The maximum number of concurrent uploads, and of concurrent downloads. @defaultValue 32 */
  readonly maxTransfers?: number | undefined;
  /** The maximum number of processes with an attachment at a time. @defaultValue 512 */
  readonly maxAttachments?: number | undefined;
  /**
   * The maximum number of concurrent starts, stops, signals and queries; each is short.
   * @defaultValue 32
   */
  readonly maxControls?: number | undefined;
}

/**
 * Limits the concurrent connections of a worker by use, over all pods. Each use has its own places,
 * so that control operations do not wait behind transfers, nor uploads behind the downloads that
 * feed other uploads. Places are granted in the order of the calls.
 */
export class ConnectionLimits {
  readonly #places: Readonly<Record<ConnectionUse, Semaphore>>;

  constructor({ maxTransfers = 32, maxAttachments = 512, maxControls = 32 }: ConnectionLimitsOptions = {}) {
    this.#places = {
      upload: new Semaphore(maxTransfers),
      download: new Semaphore(maxTransfers),
      attachment: new Semaphore(maxAttachments),
      control: new Semaphore(maxControls),
    };
  }

  /**
   * Acquires a place. Resolves with an idempotent function that releases it. Rejects with the
   * signal's reason.
   */
  async enter(use: ConnectionUse, options: AbortOptions): Promise<() => void> {
    return await this.#places[use].acquire(options);
  }

  /** Returns the places of each use. */
  places(): Readonly<Record<ConnectionUse, PlacesOfUse>> {
    const { upload, download, attachment, control } = this.#places;
    const of = ({ used, waiting, limit }: Semaphore): PlacesOfUse => ({ used, waiting, limit });
    return { upload: of(upload), download: of(download), attachment: of(attachment), control: of(control) };
  }
}
