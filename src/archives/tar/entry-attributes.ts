import { readNumber } from './tar-header.ts';
import type { TarEntry } from './tar-reader.ts';

/** What a file system keeps of an entry beside its name and content. */
export interface EntryAttributes {
  /** The permission bits, without those that set an ID. */
  readonly mode: number;
  /** The time of the last change, in nanoseconds since 1970. */
  readonly mtimeNs: bigint;
}

/** Returns the attributes of an entry. A time that cannot be read is that of 1970, as for the agent. */
export function attributesOf({ block, mtime }: TarEntry): EntryAttributes {
  return {
    mode: (readNumber(block.subarray(100, 108)) ?? 0) & 0o1777,
    mtimeNs: timeOf(mtime) ?? BigInt(readNumber(block.subarray(136, 148)) ?? 0) * 1_000_000_000n,
  };
}

/** Returns nanoseconds, `undefined` if the text is not a time. */
function timeOf(text = ''): bigint | undefined {
  const [, sign, seconds = '', fraction = ''] = /^(-?)([0-9]{1,15})(?:\.([0-9]*))?$/.exec(text) ?? [];
  if (sign === undefined) return undefined;
  const absolute = BigInt(seconds) * 1_000_000_000n + BigInt(fraction.padEnd(9, '0').slice(0, 9));
  return sign === '-' ? -absolute : absolute;
}
