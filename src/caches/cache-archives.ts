import type { ArchiveService } from '../archives/archive-service.ts';
import { VolumeDisappearedError } from '../errors/repository.ts';
import type { ArchiveRepository } from '../repository/archive-repository.ts';
import type { ArchiveReference, VolumeRecord } from '../repository/records.ts';
import type { AbortOptions } from '../runtime/options.ts';
import { type TemporaryRow, type TemporaryVolumeComponents, withTemporaryRow } from '../stores/temporary-volume.ts';
import type { CacheSource } from './cache-copies.ts';
import { withinSize } from './cache-size.ts';

/** The archive stores of a worker's caches. */
export interface CacheArchives {
  readonly service: Pick<ArchiveService, 'save'>;
  readonly rows: Pick<ArchiveRepository, 'insertArtifact'>;
  /** The name of the store of new caches. `undefined`: they are in pods. */
  readonly store: string | undefined;
  /** How long a save retries while the store is unavailable, in milliseconds. */
  readonly budgetMs: number;
}

export interface ArchivingOptions extends AbortOptions {
  /** Whether the content may have changed since the volume's archive was written. */
  readonly mayHaveChanged: boolean;
  /** The archive that the content may be equal to. */
  readonly candidate: ArchiveReference | undefined;
  /** See `SaveOptions.purpose`. */
  readonly purpose: string | undefined;
  /** @defaultValue no limit */
  readonly maxBytes: number | undefined;
}

/** An archive of a volume's content. */
export interface ArchivedSource {
  readonly archive: ArchiveReference;
  /** Whether bytes have moved. */
  readonly isNew: boolean;
}

/**
 * Returns an archive of the content of a volume: the one that it has, the candidate, or a new one.
 * Returns `undefined` if the content stays in pods. The volume itself does not change.
 *
 * @throws CacheTooLargeError
 */
export async function archiveOf(
  volume: CacheSource,
  { service, store, budgetMs }: CacheArchives,
  { mayHaveChanged, candidate, purpose, maxBytes, signal }: ArchivingOptions,
): Promise<ArchivedSource | undefined> {
  const { handle, archive, open } = volume;
  if (archive !== undefined && (open === undefined || !mayHaveChanged))
    return await withinSize(maxBytes, { signal }, async () => ({ archive, isNew: false, rawBytes: archive.rawBytes }));
  if (store === undefined || open === undefined) return undefined;
  const { location } = open;
  const candidates = candidate === undefined ? [] : [candidate];
  return await withinSize(maxBytes, { signal }, async (limited) => {
    const terms = { ...limited, budgetMs, candidates, purpose, isDetached: true };
    const saved = await service.save({ handle, location, archive }, store, terms);
    return { archive: saved.archive, isNew: !saved.isUnchanged, rawBytes: saved.archive.rawBytes };
  });
}

/**
 * Inserts an artifact volume that refers to an archive, and calls `bless` with its handle. No bytes
 * move. As with `withTemporaryRow`, the volume expires unless `bless` returns `true`.
 *
 * @throws VolumeDisappearedError - the archive was deleted
 */
export async function withReference(
  { handle: source }: CacheSource,
  archive: ArchiveReference,
  components: Omit<TemporaryVolumeComponents, 'store'> & { readonly archives: CacheArchives },
  { signal }: AbortOptions,
  bless: (handle: string) => Promise<boolean>,
): Promise<boolean> {
  const { workerName, archives } = components;
  const insert = async (row: TemporaryRow): Promise<VolumeRecord> => {
    const place = { teamId: undefined, store: archive.store, location: {} };
    const inserted = await archives.rows.insertArtifact({ ...row, ...place }, archive.id, { signal });
    if (inserted === undefined) throw new VolumeDisappearedError(source, workerName);
    return inserted;
  };
  return await withTemporaryRow(components, insert, ({ handle }) => bless(handle));
}
