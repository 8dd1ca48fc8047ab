import { isUtf8 } from 'node:buffer';

import { encodePax, type PaxRecord } from './pax-records.ts';
import { BLOCK_BYTES, sealHeader } from './tar-header.ts';
import { paddingOf, type TarKind } from './tar-reader.ts';

/** The type flag of each kind of entry. */
export const TYPES: Readonly<Record<TarKind, string>> = { file: '0', link: '1', symlink: '2', directory: '5' };
/** The blocks that end an archive. */
export const CLOSING_BLOCKS: Buffer = Buffer.alloc(2 * BLOCK_BYTES);
/** The largest number of 11 octal digits. */
export const OCTAL_MAX = 0o77777777777;
/**
 * The maximum length of a name or a link in a header block, and of the prefix of a name, in bytes.
 */
const [FIELD_BYTES, PREFIX_BYTES] = [100, 155];

/** The fields of a header block. Names are bytes, as latin1 text. */
export interface BlockFields {
  readonly type: string;
  readonly name: string;
  readonly target: string;
  readonly mode: number;
  readonly size: number;
  /** Whole seconds since 1970. */
  readonly mtime: number;
}

/** Returns the block of a header. What does not fit in a field is in the records of `nameRecords`. */
export function newBlock({ type, name, target, mode, size, mtime }: BlockFields): Buffer {
  const block = Buffer.alloc(BLOCK_BYTES);
  putNumber(block, 100, 8, mode);
  putNumber(block, 124, 12, size);
  putNumber(block, 136, 12, mtime);
  // Owner, group and device.
  for (const at of [108, 116, 329, 337]) putNumber(block, at, 8, 0);
  putType(block, type);
  putNames(block, name, target);
  sealHeader(block);
  return block;
}

/** Returns a block after an extended header of the records, or alone if there are none. */
export function withRecords(block: Buffer, records: readonly PaxRecord[]): Buffer {
  if (records.length === 0) return block;
  const bytes = encodePax(records);
  const fields = { type: 'x', name: '././@PaxHeader', target: '', mode: 0o644, size: bytes.length, mtime: 0 };
  return Buffer.concat([newBlock(fields), bytes, Buffer.alloc(paddingOf(bytes.length)), block]);
}

/** Returns the records for names that are too long for a block. */
export function nameRecords(name: string, target: string): PaxRecord[] {
  const long: PaxRecord[] = [];
  if (splitAt(name) === undefined) long.push(['path', name]);
  if (target.length > FIELD_BYTES) long.push(['linkpath', target]);
  const isText = long.every(([, value]) => isUtf8(Buffer.from(value, 'latin1')));
  return isText ? long : [['hdrcharset', 'BINARY'], ...long];
}

/** Writes the name and the target of a link, as far as they fit. */
export function putNames(block: Buffer, name: string, target: string): void {
  const slash = splitAt(name) ?? 0;
  // The rest of a block of another format than ustar has another meaning.
  block.fill(0, 345, BLOCK_BYTES);
  put(block, 345, PREFIX_BYTES, name.slice(0, slash));
  put(block, 0, FIELD_BYTES, slash > 0 ? name.slice(slash + 1) : name);
  put(block, 157, FIELD_BYTES, target);
}

export function putType(block: Buffer, type: string): void {
  block.write(type, 156, 'latin1');
}

/** Writes octal digits if the number fits, otherwise base-256. */
export function putNumber(block: Buffer, at: number, length: number, number: number): void {
  if (number >= 0 && number <= OCTAL_MAX) {
    block.write(`${number.toString(8).padStart(length - 1, '0')}\0`, at, 'latin1');
    return;
  }
  block.writeBigInt64BE(BigInt(number), at + length - 8);
  block.fill(number < 0 ? 0xff : 0, at, at + length - 8);
  block[at] = number < 0 ? 0xff : 0x80;
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
