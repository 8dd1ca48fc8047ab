import type { VolumeRecord } from '../repository/records.ts';
import type { AbortOptions } from '../runtime/options.ts';
import type { ArtifactStore, ReceivedArchive, StoreLocation } from '../stores/artifact-store.ts';
import { type TemporaryVolumeComponents, withTemporaryVolume } from '../stores/temporary-volume.ts';

/** The volume whose content becomes a cache. */
export interface CacheSource {
  readonly handle: string;
  /** Whether it belongs to no container, and can be the cache itself. */
  readonly isArtifact: boolean;
  readonly store: ArtifactStore;
  readonly location: StoreLocation;
}

/**
 * Copies a volume into an artifact volume of its own, and calls `bless` with its handle. As
 * `withTemporaryVolume`, the copy expires unless `bless` returns `true`.
 */
export async function withCopy(
  source: CacheSource,
  components: TemporaryVolumeComponents,
  { signal }: AbortOptions,
  bless: (handle: string) => Promise<boolean>,
): Promise<boolean> {
  return await withTemporaryVolume(components, { teamId: undefined, signal }, async (record) => {
    await fill(record, source, components, { signal });
    return await bless(record.handle);
  });
}

/** Copies all bytes, which both ends verify. */
async function fill(
  { handle, location }: VolumeRecord,
  source: CacheSource,
  { store, volumes, retry }: TemporaryVolumeComponents,
  { signal }: AbortOptions,
): Promise<void> {
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
