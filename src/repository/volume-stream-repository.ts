import type { AbortOptions } from '../runtime/options.ts';

/**
 * Open streams of volumes: transfers that are under way. The reaper deletes no volume, and no
 * container of a volume, that has one.
 *
 * @public
 */
export interface VolumeStreamRepository {
  /**
   * Records that a stream of these volumes is open, for a time from now. A later call with the same
   * ID renews it. A volume that is `destroying` is left out, unless the stream has it already. The
   * same statement renews artifact volumes: each then expires no earlier than its time to live from
   * now. Returns the number of volumes that the stream has.
   */
  hold(streamId: string, handles: readonly string[], durationMs: number, options?: AbortOptions): Promise<number>;
  /**
   * Ends the stream. Idempotent. Returns whether one of its volumes is `destroying`, so that the
   * reaper may delete it now.
   */
  release(streamId: string, options?: AbortOptions): Promise<boolean>;
}
