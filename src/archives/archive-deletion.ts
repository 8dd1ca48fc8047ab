import type { ArchiveRecord } from '../repository/archive-repository.ts';
import type { AbortOptions } from '../runtime/options.ts';
import type { ArchiveStore } from '../stores/archive-store.ts';
import { archiveKey } from './archive-key.ts';

/** How many deletions of a store are under way at most. */
export const maxDeletions = 32;

/**
 * Deletes all bytes of an archive: the keys of all attempts to write it, of which any may have left
 * some. The archive's row is deleted afterwards.
 */
export async function deleteBytes(
  { id, attempt, reference }: Pick<ArchiveRecord, 'id' | 'attempt' | 'reference'>,
  store: ArchiveStore,
  installationId: string,
  options: AbortOptions,
): Promise<void> {
  const keys = new Set(reference === undefined ? [] : [reference.key]);
  for (let each = attempt; each >= 1; each -= 1) keys.add(archiveKey(installationId, id, each));
  for (const key of keys) {
    options.signal?.throwIfAborted();
    await store.delete(key, options);
  }
}
