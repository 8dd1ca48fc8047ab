import { CorruptTar } from './tar-header.ts';

/** A record of an extended header. Bytes, as latin1 text. */
export type PaxRecord = readonly [key: string, value: string];

const NAME_KEYS = ['path', 'linkpath', 'GNU.sparse.name'];

/**
 * Reads the records `<length> <key>=<value>\n` of an extended header.
 *
 * @throws CorruptTar
 */
export function readPax(bytes: Buffer): PaxRecord[] {
  const records: PaxRecord[] = [];
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(0x20, at);
    const digits = space < 0 ? '' : bytes.toString('latin1', at, space);
    const end = at + Number(digits);
    if (!/^[0-9]{1,9}$/.test(digits) || end > bytes.length || end < space + 3 || bytes[end - 1] !== 0x0a)
      throw new CorruptTar('an extended header has a record of a wrong length');
    const text = bytes.toString('latin1', space + 1, end - 1);
    const equals = text.indexOf('=');
    if (equals <= 0) throw new CorruptTar('an extended header has a record without a key');
    const [key, value] = [text.slice(0, equals), text.slice(equals + 1)];
    if (NAME_KEYS.includes(key) && value.includes('\0'))
      throw new CorruptTar('an extended header has a name with a NUL byte');
    records.push([key, value]);
    at = end;
  }
  return records;
}

/** Returns the bytes of an extended header. */
export function encodePax(records: readonly PaxRecord[]): Buffer {
  return Buffer.from(records.map(encodeRecord).join(''), 'latin1');
}

function encodeRecord([key, value]: PaxRecord): string {
  const rest = ` ${key}=${value}\n`;
  const digits = String(rest.length + String(rest.length).length).length;
  return `${rest.length + digits}${rest}`;
}

/** Returns the value of the last record with the key; `undefined` if there is none or it is empty. */
export function paxValue(records: readonly PaxRecord[], key: string): string | undefined {
  const value = records.findLast(([name]) => name === key)?.[1];
  return value === '' ? undefined : value;
}

/** @throws CorruptTar - the value is not a number */
export function paxNumber(records: readonly PaxRecord[], key: string): number | undefined {
  const value = paxValue(records, key);
  if (value === undefined) return undefined;
  if (!/^[0-9]{1,15}$/.test(value)) throw new CorruptTar('an extended header has a number that cannot be read');
  return Number(value);
}
