import { archiveKey } from '../../../src/archives/archive-key.ts';
import type { ArchiveRecord, NewArchive } from '../../../src/repository/archive-repository.ts';
import type { ArchiveContent } from '../../../src/repository/records.ts';
import type { Repository } from '../../../src/repository/repository.ts';
import { artifactOf, leaseOf } from './repository-under-test.ts';

/** Returns the ID of an archive by a number. */
export function idOf(number: number): string {
  return `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`;
}

export function archiveOf(number: number, changes: Partial<NewArchive> = {}): NewArchive {
  return { id: idOf(number), workerName: 'worker', store: 's3', lease: leaseOf('me'), ...changes };
}

/** Returns what an attempt has written. */
export function contentOf(
  number: number,
  { attempt = 1, storedBytes = 10 }: { readonly attempt?: number; readonly storedBytes?: number } = {},
): ArchiveContent & { readonly key: string } {
  return {
    rawBytes: 1_024,
    digest: 'a'.repeat(64),
    storedBytes,
    storedDigest: 'b'.repeat(64),
    key: archiveKey('installation', idOf(number), attempt),
  };
}

/** Writes an archive to its end. */
export async function makeReady(
  { archives }: Repository,
  number: number,
  { storedBytes, ...changes }: Partial<NewArchive> & { readonly storedBytes?: number } = {},
): Promise<string> {
  const { archive } = await archives.begin(archiveOf(number, changes));
  const content = contentOf(number, storedBytes === undefined ? {} : { storedBytes });
  await archives.commit(archive.id, changes.lease?.holder ?? 'me', content, undefined);
  return archive.id;
}

/** Inserts an artifact volume that an archive has the content of. */
export async function insertReferring({ archives }: Repository, handle: string, archiveId: string): Promise<void> {
  const { leaseMs: _, ...volume } = artifactOf(handle);
  const inserted = await archives.insertArtifact({ ...volume, store: 's3', location: {} }, archiveId);
  if (inserted === undefined) throw new Error('the archive is not ready');
}

export async function stateOf({ archives }: Repository, id: string): Promise<ArchiveRecord['state'] | undefined> {
  const [archive] = await archives.lookup([id]);
  return archive?.state;
}
