import { InvalidSpecError } from '../../../errors/caller.ts';
import type { ArchiveLease, NewArchive } from '../../archive-repository.ts';
import { checkStorable, checkText } from '../../field-checks.ts';
import type { ArchiveContent, RawContent } from '../../records.ts';
import { checkCount, checkDuration } from '../input.ts';

/** The maximum number of IDs or handles in one call. */
const maxNames = 1_000;
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const sha256 = /^[0-9a-f]{64}$/;

/** @throws InvalidSpecError */
export function checkNewArchive({ id, workerName, store, lease, purpose }: NewArchive): void {
  checkId(id);
  checkText('workerName', workerName, 253);
  checkText('store', store, 253);
  checkLease(lease);
  if (purpose !== undefined) checkText('purpose', purpose, 300);
}

/** @throws InvalidSpecError */
export function checkId(id: string): void {
  if (!uuid.test(id)) throw new InvalidSpecError('id', 'must be a UUID with lower case letters');
}

/** @throws InvalidSpecError */
export function checkLease({ holder, durationMs }: ArchiveLease): void {
  checkText('lease.holder', holder, 253);
  checkDuration('lease.durationMs', durationMs);
}

/** @throws InvalidSpecError */
export function checkContent(content: ArchiveContent): void {
  checkRawContent(content);
  checkCount('storedBytes', content.storedBytes);
  checkDigest('storedDigest', content.storedDigest);
}

/** @throws InvalidSpecError */
export function checkRawContent({ rawBytes, digest }: RawContent): void {
  checkCount('rawBytes', rawBytes);
  checkDigest('digest', digest);
}

function checkDigest(field: string, digest: string): void {
  if (!sha256.test(digest)) throw new InvalidSpecError(field, 'must be a SHA-256 in hex');
}

/**
 * Returns the attempt of an archive that a key belongs to. `archiveKey` returns such a key.
 *
 * @throws InvalidSpecError - the key is not of an attempt of this archive
 */
export function attemptOf(id: string, key: string): number {
  checkText('key', key, 1_024);
  const [, attempt] = /-([1-9][0-9]{0,8})\.tar\.zst$/.exec(key) ?? [];
  if (attempt === undefined || !key.endsWith(`/${id}-${attempt}.tar.zst`))
    throw new InvalidSpecError('key', 'must be the key of an attempt to write this archive');
  return Number(attempt);
}

/**
 * Returns those of the IDs that an archive can have. The others come from keys that another client
 * has written to a store.
 *
 * @throws InvalidSpecError - there are too many
 */
export function possibleIds(ids: readonly string[]): readonly string[] {
  checkNames('ids', ids);
  return ids.filter((id) => uuid.test(id));
}

/** @throws InvalidSpecError */
export function checkNames(field: string, names: readonly string[]): void {
  if (names.length > maxNames) throw new InvalidSpecError(field, `must have at most ${maxNames} entries`);
  for (const name of names) checkStorable(field, name);
}
