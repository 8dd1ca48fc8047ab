import { PodError } from '../errors/pod.ts';
import { VolumeDisappearedError } from '../errors/repository.ts';
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

/** The two ends of a transfer from a cache. */
export interface CacheTransfer {
  /** The handle of the cache's volume. */
  readonly cacheHandle: string;
  /** The pod of the container that is filled. */
  readonly podName: string;
}

/**
 * Returns what a failed transfer from a cache is due to:
 *
 * - `cache`: its volume is gone or damaged. The folder of the container is unchanged.
 * - `either`: the cache may be the reason, for example because it is too large for the container.
 * - `container`: its own pod, its lease, or what both ends depend on.
 */
export function blameFor(error: unknown, { cacheHandle, podName }: CacheTransfer): 'cache' | 'either' | 'container' {
  if (error instanceof PodError) return error.podName === podName ? 'container' : 'cache';
  if (contentErrors.some((each) => error instanceof each)) return 'cache';
  const isOfCache = error instanceof Error && 'handle' in error && error.handle === cacheHandle;
  if (isOfCache && volumeErrors.some((each) => error instanceof each)) return 'cache';
  return error instanceof TransferError ? 'either' : 'container';
}
