import { PodError } from '../errors/pod.ts';
import { StoreNotConfiguredError, VolumeDisappearedError } from '../errors/repository.ts';
import { ArchiveDamagedError, ArchiveMissingError, StoreDeniedError, StoreUnavailableError } from '../errors/store.ts';
import {
  CorruptArchiveError,
  DigestMismatchError,
  FileNotFoundError,
  TransferError,
  TruncatedArchiveError,
  UnsafeArchivePathError,
  UnsupportedEntryError,
  VolumeDamagedError,
} from '../errors/transfer.ts';

/** The failures that the content of an archive explains, at whichever end they are noticed. */
const contentErrors = [
  CorruptArchiveError,
  DigestMismatchError,
  TruncatedArchiveError,
  UnsafeArchivePathError,
  UnsupportedEntryError,
];
/** The failures that the content of a volume explains. */
const volumeErrors = [FileNotFoundError, VolumeDamagedError, VolumeDisappearedError];
/** The archive of a cache is gone or damaged. */
const archiveErrors = [ArchiveMissingError, ArchiveDamagedError];
/** The archive of a cache may be intact. */
const storeErrors = [StoreUnavailableError, StoreDeniedError, StoreNotConfiguredError];

/** The two ends of a transfer from a cache. */
export interface CacheTransfer {
  /** The handle of the cache's volume. */
  readonly cacheHandle: string;
  /** The pod of the container that is filled. */
  readonly podName: string;
}

export type Blame = 'cache' | 'either' | 'store' | 'container';

/**
 * Returns the cause of a failed transfer from a cache:
 *
 * - `cache`: its volume is gone or damaged. The folder of the container is unchanged.
 * - `either`: the cache may be the reason, for example because it is too large for the container.
 * - `store`: the store of the cache cannot be used now. The cache may be intact.
 * - `container`: its own pod, its lease, or what both ends depend on.
 */
export function blameFor(error: unknown, { cacheHandle, podName }: CacheTransfer): Blame {
  if (storeErrors.some((each) => error instanceof each)) return 'store';
  if (archiveErrors.some((each) => error instanceof each)) return 'cache';
  if (error instanceof PodError) return error.podName === podName ? 'container' : 'cache';
  if (contentErrors.some((each) => error instanceof each)) return 'cache';
  const isOfCache = error instanceof Error && 'handle' in error && error.handle === cacheHandle;
  if (isOfCache && volumeErrors.some((each) => error instanceof each)) return 'cache';
  return error instanceof TransferError ? 'either' : 'container';
}
