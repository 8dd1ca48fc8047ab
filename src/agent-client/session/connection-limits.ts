import { Semaphore } from '../../internal/semaphore.ts';
import type { AbortOptions } from '../../runtime/options.ts';

/** What a connection is used for. */
export type ConnectionUse = 'upload' | 'download' | 'attachment' | 'control';

export interface ConnectionLimitsOptions {
  /** Uploads, and as many downloads, at once. @defaultValue 32 */
  readonly maxTransfers?: number | undefined;
  /** Processes that are followed at once. @defaultValue 512 */
  readonly maxAttachments?: number | undefined;
  /** Starts, stops, signals, questions at once; each is short. @defaultValue 32 */
  readonly maxControls?: number | undefined;
}

/**
 * How much of each use of connections a worker may make at once, whatever the pods. Each use has places of its own, so that none waits behind another: a control
 * operation not behind bulk, and an upload not behind the downloads that feed other uploads. Places are given in the order in which they were asked for.
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

  /** Resolves with the function that gives the place back, which may be called more than once. Rejects with the signal's reason. */
  async enter(use: ConnectionUse, options: AbortOptions): Promise<() => void> {
    return await this.#places[use].acquire(options);
  }
}
