import { isUtf8 } from 'node:buffer';

import { blockBytes, paddingOf, type TarEntry, type TarKind } from './tar-entry.ts';

type PaxRecord = readonly [key: string, value: string];

const types: Readonly<Record<TarKind, string>> = { file: '0', link: '1', symlink: '2', folder: '5' };
/** The most bytes of a name or a target in a block, and of the prefix of a name. */
const [fieldBytes, prefixBytes] = [100, 155];
/** The largest number of 11 octal digits. */
const octalMax = 0o77777777777;
const secondNs = 1_000_000_000n;

/** The blocks that end an archive. */
export const closingBlocks: Buffer = Buffer.alloc(2 * blockBytes);

/**
 * Returns the header of an entry: one ustar block, after a pax header if its fields are too small.
 * They are the bytes that the agent in a pod writes for the entry, so that a tree has one digest
 * wherever it is packed.
 */
export function encodeHeader(entry: TarEntry): Buffer {
  const records = recordsOf(entry);
  const block = blockOf(entry, types[entry.kind]);
  return records.length === 0 ? block : Buffer.concat([paxHeader(records), block]);
}

function recordsOf({ name, target, size, mtimeNs }: TarEntry): PaxRecord[] {
  const long: PaxRecord[] = [];
  if (splitAt(name) === undefined) long.push(['path', name]);
  if (target.length > fieldBytes) long.push(['linkpath', target]);
  const isText = long.every(([, value]) => isUtf8(Buffer.from(value, 'latin1')));
  const records: PaxRecord[] = isText ? long : [['hdrcharset', 'BINARY'], ...long];
  if (size > octalMax) records.push(['size', String(size)]);
  const seconds = secondsOf(mtimeNs);
  if (mtimeNs % secondNs !== 0n || seconds < 0 || seconds > octalMax) records.push(['mtime', timeText(mtimeNs)]);
  return records;
}

/** Returns a time as a decimal fraction of seconds. */
function timeText(timeNs: bigint): string {
  const absolute = timeNs < 0n ? -timeNs : timeNs;
  const fraction = String(absolute % secondNs)
    .padStart(9, '0')
    .replace(/0+$/, '');
  return `${timeNs < 0n ? '-' : ''}${absolute / secondNs}${fraction === '' ? '' : `.${fraction}`}`;
}

/** Returns the whole seconds of a time, rounded down. */
function secondsOf(timeNs: bigint): number {
  return Number((timeNs - (((timeNs % secondNs) + secondNs) % secondNs)) / secondNs);
}

function paxHeader(records: readonly PaxRecord[]): Buffer {
  const bytes = Buffer.from(records.map(recordText).join(''), 'latin1');
  const header = { name: '././@PaxHeader', target: '', mode: 0o644, size: bytes.length, mtimeNs: 0n };
  return Buffer.concat([blockOf(header, 'x'), bytes, Buffer.alloc(paddingOf(bytes.length))]);
}

/** Returns `<length> <key>=<value>\n`. The length includes itself. */
function recordText([key, value]: PaxRecord): string {
  const rest = ` ${key}=${value}\n`;
  const digits = String(rest.length + String(rest.length).length).length;
  return `${rest.length + digits}${rest}`;
}

function blockOf({ name, target, mode, size, mtimeNs }: Omit<TarEntry, 'kind'>, type: string): Buffer {
  const block = Buffer.alloc(blockBytes);
  const slash = splitAt(name) ?? 0;
  block.write(name.slice(0, slash), 345, prefixBytes, 'latin1');
  block.write(slash > 0 ? name.slice(slash + 1) : name, 0, fieldBytes, 'latin1');
  putNumber(block, 100, 8, mode);
  putNumber(block, 108, 8, 0);
  putNumber(block, 116, 8, 0);
  putNumber(block, 124, 12, size);
  putNumber(block, 136, 12, secondsOf(mtimeNs));
  block.write(type, 156, 'latin1');
  block.write(target, 157, fieldBytes, 'latin1');
  putNumber(block, 329, 8, 0);
  putNumber(block, 337, 8, 0);
  block.write('ustar\x0000', 257, 'latin1');
  block.fill(' ', 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0`, 148, 'latin1');
  return block;
}

/** Writes octal digits if the number fits, otherwise base-256. */
function putNumber(block: Buffer, at: number, length: number, number: number): void {
  if (number >= 0 && number <= octalMax) {
    block.write(`${number.toString(8).padStart(length - 1, '0')}\0`, at, 'latin1');
    return;
  }
  block.writeBigInt64BE(BigInt(number), at + length - 8);
  block.fill(number < 0 ? 0xff : 0, at, at + length - 8);
  block[at] = number < 0 ? 0xff : 0x80;
}

/** Returns the index of the slash at which a name is split, 0 if it fits, `undefined` if it cannot be. */
function splitAt(name: string): number | undefined {
  if (name.length <= fieldBytes) return 0;
  for (let at = name.length - fieldBytes - 1; at <= prefixBytes && at + 1 < name.length; at += 1)
    if (at > 0 && name[at] === '/') return at;
  return undefined;
}
