import { nameRecords, putNames, putNumber, putType, TYPES, withRecords } from './header-block.ts';
import { sealHeader } from './tar-header.ts';
import type { TarEntry } from './tar-reader.ts';

/** The records that `encodeEntry` writes itself. */
const OWN_RECORDS = ['path', 'linkpath', 'hdrcharset'];

/**
 * Returns the header blocks of an entry under another name, which are those that the agent would
 * write (agent/src/tar/tar_write.c). Names are bytes, as latin1 text.
 */
export function encodeEntry(entry: TarEntry, name: string, target: string = entry.target): Buffer {
  const isLink = entry.kind === 'link' || entry.kind === 'symlink';
  const link = isLink ? target : '';
  const records = [...nameRecords(name, link), ...entry.records.filter(([key]) => !OWN_RECORDS.includes(key))];
  const block = Buffer.from(entry.block);
  putNames(block, name, link);
  putType(block, TYPES[entry.kind]);
  if (entry.kind !== 'file') putNumber(block, 124, 12, 0);
  sealHeader(block);
  return withRecords(block, records);
}
