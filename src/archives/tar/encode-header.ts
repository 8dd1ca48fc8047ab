import { nameRecords, newBlock, OCTAL_MAX, TYPES, withRecords } from './header-block.ts';
import type { PaxRecord } from './pax-records.ts';
import type { TarKind } from './tar-reader.ts';

const SECOND_NS = 1_000_000_000n;

/** What the header of a new entry has. Names are bytes, as latin1 text. */
export interface NewEntry {
  readonly kind: TarKind;
  /** The name; that of a folder ends with a slash. */
  readonly name: string;
  /** The target of a link. Empty for the other kinds. */
  readonly target: string;
  /** The permission bits. */
  readonly mode: number;
  /** The bytes of the content of a file. 0 for the other kinds. */
  readonly size: number;
  /** The time of the last change, in nanoseconds since 1970. */
  readonly mtimeNs: bigint;
}

/**
 * Returns the header of an entry: one ustar block, after a pax header if its fields are too small.
 * They are the bytes that the agent in a pod writes for the entry (agent/src/tar/tar_write.c), so that
 * a tree has one digest wherever it is packed.
 */
export function encodeHeader(entry: NewEntry): Buffer {
  const { kind, name, target, mode, size, mtimeNs } = entry;
  const block = newBlock({ type: TYPES[kind], name, target, mode, size, mtime: secondsOf(mtimeNs) });
  return withRecords(block, [...nameRecords(name, target), ...numberRecords(entry)]);
}

function numberRecords({ size, mtimeNs }: NewEntry): PaxRecord[] {
  const records: PaxRecord[] = [];
  if (size > OCTAL_MAX) records.push(['size', String(size)]);
  const seconds = secondsOf(mtimeNs);
  if (mtimeNs % SECOND_NS !== 0n || seconds < 0 || seconds > OCTAL_MAX) records.push(['mtime', timeText(mtimeNs)]);
  return records;
}

/** Returns a time as a decimal fraction of seconds. */
function timeText(timeNs: bigint): string {
  const absolute = timeNs < 0n ? -timeNs : timeNs;
  const fraction = String(absolute % SECOND_NS)
    .padStart(9, '0')
    .replace(/0+$/, '');
  return `${timeNs < 0n ? '-' : ''}${absolute / SECOND_NS}${fraction === '' ? '' : `.${fraction}`}`;
}

/** Returns the whole seconds of a time, rounded down. */
function secondsOf(timeNs: bigint): number {
  return Number((timeNs - (((timeNs % SECOND_NS) + SECOND_NS) % SECOND_NS)) / SECOND_NS);
}
