/** The size of a block of a tar archive. */
export const BLOCK_BYTES = 512;

const CHECKSUM = [148, 156] as const;
const MAGIC_AT = 257;

/** A part of an archive that cannot be read. The message continues "the archive is corrupt: ". */
export class CorruptTar extends Error {}

/** The fields of a header block, before extended headers. Names are bytes, as latin1 text. */
export interface TarHeader {
  /** The type flag. */
  readonly type: string;
  readonly name: string;
  readonly target: string;
  readonly size: number;
}

/** @throws CorruptTar */
export function readHeader(block: Buffer): TarHeader {
  if (!hasChecksum(block)) throw new CorruptTar("a header's checksum is wrong");
  const size = readNumber(block.subarray(124, 136));
  if (size === undefined || size < 0 || readNumber(block.subarray(100, 108)) === undefined)
    throw new CorruptTar('a header has a number that cannot be read');
  return {
    type: block.toString('latin1', 156, 157),
    name: readName(block),
    target: readText(block.subarray(157, 257)),
    size,
  };
}

/** Sets the checksum of a header block, and the magic number of ustar. */
export function sealHeader(block: Buffer): void {
  block.write('ustar\x0000', MAGIC_AT, 'latin1');
  block.fill(' ', ...CHECKSUM);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0`, CHECKSUM[0], 'latin1');
}

/** Returns a number of octal digits or of GNU base-256, `undefined` if it is neither. */
export function readNumber(field: Buffer): number | undefined {
  if (((field[0] ?? 0) & 0x80) !== 0) return readBase256(field);
  const text = field.toString('latin1');
  const match = /^[ \0]*([0-7]*)(?:[ \0]|$)/.exec(text);
  if (match !== null) return match[1] === '' ? 0 : Number.parseInt(match[1] ?? '', 8);
  return /^[ \0]/.test(text) && !/^[ \0]+[0-7]/.test(text) ? 0 : undefined;
}

function readBase256(field: Buffer): number | undefined {
  const bits = BigInt(8 * field.length - 1);
  const number = BigInt.asIntN(Number(bits), BigInt(`0x${field.toString('hex')}`) & ((1n << bits) - 1n));
  return number > BigInt(Number.MAX_SAFE_INTEGER) || number < BigInt(Number.MIN_SAFE_INTEGER)
    ? undefined
    : Number(number);
}

/** Some old programs compute the sum of signed bytes. */
function hasChecksum(block: Buffer): boolean {
  const expected = readNumber(block.subarray(...CHECKSUM));
  const rest = Buffer.from(block).fill(' ', ...CHECKSUM);
  const unsigned = rest.reduce((sum, byte) => sum + byte, 0);
  const signed = rest.reduce((sum, byte) => sum + (byte < 128 ? byte : byte - 256), 0);
  return expected === unsigned || expected === signed;
}

function readName(block: Buffer): string {
  const name = readText(block.subarray(0, 100));
  if (block.toString('latin1', MAGIC_AT, MAGIC_AT + 6) !== 'ustar\0') return name;
  // star stores times in the last 24 bytes of the prefix and signs the block at its end.
  const isStar = block.toString('latin1', 508, 511) === 'tar';
  const prefix = readText(block.subarray(345, isStar ? 476 : 500));
  return prefix === '' ? name : `${prefix}/${name}`;
}

/** Returns the bytes before the first NUL. */
export function readText(field: Buffer): string {
  const end = field.indexOf(0);
  return field.toString('latin1', 0, end < 0 ? field.length : end);
}
