import type { PvcStoreOptions } from '../runtime/pvc-store-options.ts';
import type { S3StoreOptions } from '../runtime/s3-store-options.ts';
import type { ArchiveStore } from './archive-store.ts';
import type { PartBuffers } from './s3/part-buffers.ts';

/**
 * When the outputs of a process are saved: at the end of each process, of each that exits with 0, or
 * never.
 *
 * @public
 */
export type SaveOutputs = 'always' | 'success' | 'never';

/**
 * Where the content of volumes is kept. Without a store, it is kept in pods only.
 *
 * @public
 */
export interface StoresOptions {
  /** A store on a PersistentVolumeClaim. @defaultValue none */
  readonly pvc?: PvcStoreOptions | undefined;
  /** A store in a bucket of S3. @defaultValue none */
  readonly s3?: S3StoreOptions | undefined;
  /**
   * The buffers of uploads to S3. Workers with the same ones share their memory.
   *
   * @defaultValue 8 buffers of this worker, 64 MiB with the default size of parts
   */
  readonly partBuffers?: PartBuffers | undefined;
  /** A store of the host's own. Several have different names. @defaultValue none */
  readonly custom?: readonly ArchiveStore[] | undefined;
  /**
   * The name of the store of new artifacts: `pod`, or one that is configured.
   *
   * @defaultValue the store that is configured, if it is the only one; otherwise `pod`
   */
  readonly artifacts?: string | undefined;
  /** The name of the store of outputs. @defaultValue as for `artifacts` */
  readonly outputs?: string | undefined;
  /** The name of the store of caches. @defaultValue as for `artifacts` */
  readonly caches?: string | undefined;
  /** When outputs are saved. @defaultValue `'always'` */
  readonly saveOutputs?: SaveOutputs | undefined;
  /**
   * How long the result of a process waits for an unavailable store, in milliseconds. Then the result
   * is recorded, and the outputs are marked unsaved.
   *
   * @defaultValue 300,000
   */
  readonly unavailableBudgetMs?: number | undefined;
  /**
   * How often a worker with `reapEveryMs` lists the stores, in milliseconds, and deletes the keys
   * without an archive that are older than a day. Each host does so.
   *
   * @defaultValue 21,600,000 (6 hours)
   */
  readonly sweepEveryMs?: number | undefined;
}
