import type { ArchiveReference, VolumeRecord } from '../repository/records.ts';
import type { AbortOptions } from '../runtime/options.ts';
import type { ArtifactStore, ReceivedArchive, StoreLocation } from '../stores/artifact-store.ts';
import { type TemporaryVolumeComponents, withTemporaryVolume } from '../stores/temporary-volume.ts';
import { type LimitedOptions, withinSize } from './cache-size.ts';

/** The volume whose content becomes a cache. */
export interface CacheSource {
  readonly handle: string;
  /** Whether it belongs to no container, and can be the cache itself. */
  readonly isArtifact: boolean;
  /** The size of the content of an artifact volume, if it is known. */
  readonly sizeBytes: number | undefined;
  /** The archive of the content. */
  readonly archive: ArchiveReference | undefined;
  /** The place of the content in a store of places that may change. */
  readonly open: OpenPlace | undefined;
}

interface OpenPlace {
  readonly store: ArtifactStore;
  readonly location: StoreLocation;
}

/**
 * Copies a volume into an artifact volume of its own, and calls `bless` with its handle. As with
 * `withTemporaryVolume`, the copy expires unless `bless` returns `true`.
 */
export async function withCopy(
  source: OpenPlace,
  components: TemporaryVolumeComponents,
  { maxBytes, signal }: AbortOptions & { readonly maxBytes: number | undefined },
  bless: (handle: string, rawBytes: number) => Promise<boolean>,
): Promise<boolean> {
  return await withTemporaryVolume(components, { teamId: undefined, signal }, async (record) => {
    const filling = (limited: LimitedOptions) => fill(record, source, components, limited);
    const { rawBytes } = await withinSize(maxBytes, { signal }, filling);
    return await bless(record.handle, rawBytes);
  });
}

/** Copies all bytes, which both ends verify. */
async function fill(
  { handle, location }: VolumeRecord,
  source: OpenPlace,
  { store, volumes, retry }: TemporaryVolumeComponents,
  options: LimitedOptions,
): Promise<ReceivedArchive> {
  const { signal } = options;
  const received = await copy(source, store, location, options);
  const { digest, rawBytes } = received;
  await retry(() => volumes.markReady(handle, { digest, sizeBytes: rawBytes }, { signal }), { signal });
  return received;
}

/** Within one store, the store copies the bytes directly. */
async function copy(
  source: OpenPlace,
  store: ArtifactStore,
  location: StoreLocation,
  options: LimitedOptions,
): Promise<ReceivedArchive> {
  if (source.store === store) return await store.copy(source.location, location, options);
  const { signal } = options;
  const archive = async () => (await source.store.send(source.location, '.', { signal })).archive;
  return await store.receive(location, '.', archive, options);
}
