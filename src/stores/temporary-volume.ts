import { renewedDuring } from '../internal/renewed.ts';
import type { CacheRepository } from '../repository/cache-repository.ts';
import type { VolumeRecord } from '../repository/records.ts';
import type { VolumeRepository } from '../repository/volume-repository.ts';
import type { AbortOptions, Clock, Logger } from '../runtime/options.ts';
import type { ArtifactStore } from './artifact-store.ts';

export interface TemporaryVolumeComponents {
  readonly workerName: string;
  readonly volumes: VolumeRepository;
  readonly caches: Pick<CacheRepository, 'postponeExpiry'>;
  /** The store of the volumes. */
  readonly store: ArtifactStore;
  readonly newId: () => string;
  /** How long the place of a volume may take to be created. */
  readonly leaseMs: number;
  /** How long a volume stays whose host has died. */
  readonly copyExpiryMs: number;
  /** Runs idempotent work, and retries it after retryable errors. */
  readonly retry: <T>(work: () => Promise<T>, options: AbortOptions) => Promise<T>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The row of a temporary volume, as the caller of `insert` has to insert it. */
export interface TemporaryRow {
  readonly handle: string;
  readonly workerName: string;
  readonly timeToLiveMs: number;
}

/**
 * Inserts an artifact volume, and calls `work` with it. The volume expires soon unless it is renewed,
 * which happens until `work` returns. So a host that dies in between leaves nothing for long. If
 * `work` does not return `true`, or if anything fails, the volume expires at once.
 */
export async function withTemporaryRow(
  components: Omit<TemporaryVolumeComponents, 'store'>,
  insert: (row: TemporaryRow) => Promise<VolumeRecord>,
  work: (volume: VolumeRecord) => Promise<boolean>,
): Promise<boolean> {
  const { workerName, volumes, caches, newId, copyExpiryMs, clock, logger } = components;
  const handle = newId();
  const renewal = {
    renew: (signal: AbortSignal) => caches.postponeExpiry(workerName, handle, copyExpiryMs, { signal }),
    everyMs: copyExpiryMs / 3,
    clock,
  };
  let isKept = false;
  const volume = await insert({ handle, workerName, timeToLiveMs: copyExpiryMs });
  try {
    isKept = await renewedDuring(renewal, () => work(volume));
    return isKept;
  } finally {
    if (!isKept)
      await volumes
        .expire(workerName, handle)
        .catch((error: unknown) => logger.warn('temporary volume not expired', { handle, error }));
  }
}

/** Does what `withTemporaryRow` does, with an empty place in the store. */
export async function withTemporaryVolume(
  components: TemporaryVolumeComponents,
  { teamId, signal }: AbortOptions & { readonly teamId: string | undefined },
  work: (volume: VolumeRecord) => Promise<boolean>,
): Promise<boolean> {
  const { volumes, store, leaseMs, retry } = components;
  return await withTemporaryRow(
    components,
    async (row) => {
      const place = { teamId, store: store.name, location: store.locate(row.handle), leaseMs };
      return await volumes.insertArtifact({ ...row, ...place }, { signal });
    },
    async ({ handle, location }) => {
      await store.create(handle, location, { signal });
      return await work(await retry(() => volumes.markCreated(handle, { signal }), { signal }));
    },
  );
}
