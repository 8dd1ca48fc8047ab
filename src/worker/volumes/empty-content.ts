import { posix } from 'node:path';
import { Readable } from 'node:stream';

import { InvalidSpecError } from '../../errors/caller.ts';
import { FileNotFoundError, type TransferFacts, UnsafeArchivePathError } from '../../errors/transfer.ts';
import type { SentArchive } from '../../stores/artifact-store.ts';

/** A tar archive without entries. */
const emptyArchive = Buffer.alloc(1024);

/**
 * Sends what is at a path of a volume without content, as an empty place of a store does.
 *
 * @throws FileNotFoundError, UnsafeArchivePathError, InvalidSpecError
 */
export function sendEmpty(handle: string, path: string): SentArchive {
  const facts: TransferFacts = { handle, direction: 'out', path };
  if (path.includes('\0')) throw new InvalidSpecError('path', 'contains a NUL');
  const normalized = posix.normalize(path.replace(/^\/+/, ''));
  if (normalized === '..' || normalized.startsWith('../')) throw new UnsafeArchivePathError(facts);
  if (normalized !== '.' && normalized !== './') throw new FileNotFoundError(facts);
  return { kind: 'directory', archive: Readable.from([emptyArchive]) };
}
