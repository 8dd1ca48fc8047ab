import { renewedDuring } from '../internal/renewed.ts';
import type { CacheRepository } from '../repository/cache-repository.ts';
import type { VolumeRecord } from '../repository/records.ts';
import type { VolumeRepository } from '../repository/volume-repository.ts';
import type { AbortOptions, Clock, Logger } from '../runtime/options.ts';
import type { ArtifactStore, ReceivedArchive, StoreLocation } from '../stores/artifact-store.ts';

/** The volume whose content becomes a cache. */
export interface CacheSource {
  readonly handle: string;
  /** Whether it belongs to no container, and can be the cache itself. */
  readonly isArtifact: boolean;
  readonly store: ArtifactStore;
  readonly location: StoreLocation;
}

export interface CacheCopyComponents {
  readonly workerName: string;
  readonly volumes: VolumeRepository;
  readonly caches: Pick<CacheRepository, 'postponeExpiry'>;
  /** The store of the copies. */
  readonly store: ArtifactStore;
  readonly newId: () => string;
  /** How long the place of a copy may take to be created. */
  readonly leaseMs: number;
  /** How long a copy stays whose host has died. */
  readonly copyExpiryMs: number;
  /** Runs idempotent work, and retries it after retryable errors. */
  readonly retry: <T>(work: () => Promise<T>, options: AbortOptions) => Promise<T>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Copies a volume into an artifact volume of its own, and calls `bless` with its handle. The copy
 * expires soon unless it is renewed, which happens until `bless` returns. So a host that dies in
 * between leaves nothing for long. If `bless` does not return `true`, or if anything fails, the copy
 * expires at once.
 */
export async function withCopy(
  source: CacheSource,
  components: CacheCopyComponents,
  { signal }: AbortOptions,
  bless: (handle: string) => Promise<boolean>,
): Promise<boolean> {
  const { workerName, volumes, caches, store, newId, leaseMs, copyExpiryMs, clock, logger } = components;
  const handle = newId();
  const location = store.locate(handle);
  const renewal = {
    renew: (renewing: AbortSignal) => caches.postponeExpiry(workerName, handle, copyExpiryMs, { signal: renewing }),
    everyMs: copyExpiryMs / 3,
    clock,
  };
  let isKept = false;
  const row = { handle, workerName, teamId: undefined, store: store.name, location };
  const record = await volumes.insertArtifact({ ...row, timeToLiveMs: copyExpiryMs, leaseMs }, { signal });
  try {
    isKept = await renewedDuring(renewal, async () => {
      await fill(record, source, components, { signal });
      return await bless(handle);
    });
    return isKept;
  } finally {
    if (!isKept)
      await volumes
        .expire(workerName, handle)
        .catch((error: unknown) => logger.warn('copy for a cache not expired', { handle, error }));
  }
}

/** Creates the place of the copy and copies all bytes, which both ends verify. */
async function fill(
  { handle, location }: VolumeRecord,
  source: CacheSource,
  { store, volumes, retry }: CacheCopyComponents,
  { signal }: AbortOptions,
): Promise<void> {
  await store.create(handle, location, { signal });
  await retry(() => volumes.markCreated(handle, { signal }), { signal });
  const { digest, rawBytes } = await copy(source, store, location, { signal });
  await retry(() => volumes.markReady(handle, { digest, sizeBytes: rawBytes }, { signal }), { signal });
}

/** Within one store the bytes take its shortest way. */
async function copy(
  source: CacheSource,
  store: ArtifactStore,
  location: StoreLocation,
  { signal }: AbortOptions,
): Promise<ReceivedArchive> {
  if (source.store === store) return await store.copy(source.location, location, { signal });
  const archive = async () => (await source.store.send(source.location, '.', { signal })).archive;
  return await store.receive(location, '.', archive, { signal });
}
