import type { AbortOptions } from './options.ts';

/**
 * Options of `Worker.reap`.
 *
 * @public
 */
export interface ReapOptions extends AbortOptions {
  /**
   * The time limit of the pass, in milliseconds. When it is reached, the pass begins no further
   * deletion and waits for no pod. It resolves with `complete: false` as soon as the current
   * statements have ended.
   *
   * @defaultValue no limit
   */
  readonly budgetMs?: number | undefined;
  /**
   * Whether the pass also lists the archive stores, and deletes keys without an archive that are older
   * than a day. A list takes a request per 1,000 archives. With `reapEveryMs` the worker does so every
   * `StoresOptions.sweepEveryMs`.
   *
   * @defaultValue false
   */
  readonly sweepStores?: boolean | undefined;
}

/**
 * Counts what one pass of the reaper has deleted.
 *
 * @public
 */
export interface ReapResult {
  /** The number of pods that this pass deleted and that no longer exist. */
  readonly deletedPods: number;
  /** The number of containers whose rows this pass deleted. */
  readonly deletedContainers: number;
  /** The number of volumes whose rows this pass deleted. */
  readonly deletedVolumes: number;
  /** The number of config maps of other versions' agents that this pass deleted. */
  readonly deletedConfigMaps: number;
  /** The number of archives whose bytes and rows this pass deleted. */
  readonly deletedArchives: number;
  /** The number of keys of archive stores that belonged to no archive and that this pass deleted. */
  readonly deletedKeys: number;
  /** Whether the pass has tried everything. `false` if it reached its `budgetMs` first. */
  readonly complete: boolean;
}
