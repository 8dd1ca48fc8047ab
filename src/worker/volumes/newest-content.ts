import { PodError } from '../../errors/pod.ts';
import { VolumeDisappearedError } from '../../errors/repository.ts';
import { ArchiveDamagedError, ArchiveMissingError } from '../../errors/store.ts';
import type { ArchiveReference } from '../../repository/records.ts';
import type { Logger } from '../../runtime/options.ts';
import type { ContentPlace } from './volume-content.ts';

/** The ways to the content of one volume. */
export interface ContentWays<T> {
  /** Returns where the content is now. */
  readonly locate: () => Promise<ContentPlace>;
  readonly fromArchive: (archive: ArchiveReference) => Promise<T>;
  /** Reads from the open place. Resolves with `undefined` if there is no way from there. */
  readonly fromPlace: (open: ContentPlace['open']) => Promise<T | undefined>;
  readonly logger: Logger;
}

/**
 * Reads the archive of a volume, or its place if it has none. The volume may change during the
 * read: a missing archive may have a successor, and the content of a pod that no longer exists may
 * have been saved. If an archive is lost, the producer's pod may still have the content.
 */
export async function readNewest<T>(ways: ContentWays<T>): Promise<T | undefined> {
  const { locate, fromArchive, fromPlace } = ways;
  const { archive, open } = await locate();
  try {
    return archive === undefined ? await fromPlace(open) : await fromArchive(archive);
  } catch (error) {
    if (!(archive === undefined ? isGone(error) : isLost(error))) throw error;
    const now = await locate();
    if (now.archive !== undefined && now.archive.id !== archive?.id) return await fromArchive(now.archive);
    if (!isLost(error)) throw error;
    return await insteadOf(error, now, ways);
  }
}

type LostError = ArchiveMissingError | ArchiveDamagedError;

/** @throws the error of the archive, with the handle of the volume */
async function insteadOf<T>(
  error: LostError,
  { handle, open }: ContentPlace,
  { fromPlace, logger }: ContentWays<T>,
): Promise<T> {
  const { store, key } = error;
  const content = await fromPlace(open).catch((cause: unknown) => {
    if (!isGone(cause)) throw cause;
    return undefined;
  });
  if (content === undefined) throw withVolume(error, handle);
  logger.warn('archive lost: the content is read from its pod', { handle, store, key, error });
  return content;
}

function withVolume(error: LostError, volume: string): LostError {
  const { store, key } = error;
  const facts = { store, key, volume };
  if (error instanceof ArchiveMissingError) return new ArchiveMissingError(facts, { cause: error });
  return new ArchiveDamagedError(facts, 'its bytes differ from those that were written', { cause: error });
}

/** Whether the store does not have the bytes of an archive. */
export function isLost(error: unknown): error is LostError {
  return error instanceof ArchiveMissingError || error instanceof ArchiveDamagedError;
}

/** Whether the error is about a pod that no longer exists or has failed. */
function isGone(error: unknown): boolean {
  return error instanceof VolumeDisappearedError || error instanceof PodError;
}
