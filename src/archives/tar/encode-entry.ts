import { isUtf8 } from 'node:buffer';

import { encodePax, type PaxRecord } from './pax-records.ts';
import { BLOCK_BYTES, sealHeader } from './tar-header.ts';
import { paddingOf, type TarEntry, type TarKind } from './tar-reader.ts';

const TYPES: Readonly<Record<TarKind, string>> = { file: '0', link: '1', symlink: '2', directory: '5' };
/** The most bytes of a name or a link in a header block, and of the prefix of a name. */
const [FIELD_BYTES, PREFIX_BYTES] = [100, 155];
/** The records that `encodeEntry` writes itself. */
const OWN_RECORDS = ['path', 'linkpath', 'hdrcharset'];

/** The blocks that end an archive. */
export const CLOSING_BLOCKS: Buffer = Buffer.alloc(2 * BLOCK_BYTES);

/**
 * Returns the header blocks of an entry under another name, which are those that the agent would
 * write (agent/src/tar/tar_write.c). Names are bytes, as latin1 text.
 */
export function encodeEntry(entry: TarEntry, name: string, target: string = entry.target): Buffer {
  const isLink = entry.kind === 'link' || entry.kind === 'symlink';
  const link = isLink ? target : '';
  const records = [...nameRecords(name, link), ...entry.records.filter(([key]) => !OWN_RECORDS.includes(key))];
  const block = Buffer.from(entry.block);
  putName(block, name);
  put(block, 157, FIELD_BYTES, link);
  block.write(TYPES[entry.kind], 156, 'latin1');
  if (entry.kind !== 'file') block.write(octal(0, 12), 124, 'latin1');
  sealHeader(block);
  return records.length === 0 ? block : Buffer.concat([paxHeader(records), block]);
}

function nameRecords(name: string, link: string): PaxRecord[] {
  const long: PaxRecord[] = [];
  if (splitAt(name) === undefined) long.push(['path', name]);
  if (link.length > FIELD_BYTES) long.push(['linkpath', link]);
  const isText = long.every(([, value]) => isUtf8(Buffer.from(value, 'latin1')));
  return isText ? long : [['hdrcharset', 'BINARY'], ...long];
}

function paxHeader(records: readonly PaxRecord[]): Buffer {
  const bytes = encodePax(records);
  const block = Buffer.alloc(BLOCK_BYTES);
  block.write('././@PaxHeader', 0, 'latin1');
  for (const [at, value, length] of PAX_NUMBERS) block.write(octal(value, length), at, 'latin1');
  block.write(octal(bytes.length, 12), 124, 'latin1');
  block.write('x', 156, 'latin1');
  sealHeader(block);
  return Buffer.concat([block, bytes, Buffer.alloc(paddingOf(bytes.length))]);
}

/** Mode, owner, group, time and device of a pax header. */
const PAX_NUMBERS = [
  [100, 0o644, 8],
  [108, 0, 8],
  [116, 0, 8],
  [136, 0, 12],
  [329, 0, 8],
  [337, 0, 8],
] as const;

function octal(number: number, length: number): string {
  return `${number.toString(8).padStart(length - 1, '0')}\0`;
}

function putName(block: Buffer, name: string): void {
  const slash = splitAt(name) ?? 0;
  // The rest of a block of another format than ustar has another meaning.
  block.fill(0, 345, BLOCK_BYTES);
  put(block, 345, PREFIX_BYTES, name.slice(0, slash));
  put(block, 0, FIELD_BYTES, slash > 0 ? name.slice(slash + 1) : name);
}

function put(block: Buffer, at: number, length: number, text: string): void {
  block.fill(0, at, at + length);
  block.write(text.slice(0, length), at, 'latin1');
}

/** Returns the index of the slash at which a name is split, 0 if it fits, `undefined` if it cannot be. */
function splitAt(name: string): number | undefined {
  if (name.length <= FIELD_BYTES) return 0;
  for (let at = name.length - FIELD_BYTES - 1; at <= PREFIX_BYTES && at + 1 < name.length; at += 1)
    if (at > 0 && name[at] === '/') return at;
  return undefined;
}
