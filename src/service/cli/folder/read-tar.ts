import { CliError } from '../cli-error.ts';
import { ExitCode } from '../exit-code.ts';
import { blockBytes, paddingOf, type TarEntry, type TarKind } from './tar-entry.ts';

/** An archive that cannot be unpacked. */
export class ArchiveError extends CliError {
  constructor(why: string) {
    super(`the archive cannot be unpacked: ${why}`, ExitCode.Failure);
    this.name = 'ArchiveError';
  }
}

/** An entry with its content, which is read to its end, or not at all. */
export interface ReadEntry extends TarEntry {
  readonly content: AsyncIterable<Buffer>;
}

const kinds: Readonly<Record<string, TarKind>> = {
  '0': 'file',
  '\0': 'file',
  '7': 'file',
  '1': 'link',
  '2': 'symlink',
  '5': 'folder',
};
/** The types of headers for the next entry. */
const extended = ['x', 'g', 'L', 'K'];
const longestHeaderBytes = 1024 * 1024;

/**
 * Reads a raw tar archive: ustar, pax, and the long names of GNU. It buffers one chunk of the source
 * and one header.
 *
 * @throws ArchiveError
 */
export async function* readTar(archive: AsyncIterable<Uint8Array>): AsyncGenerator<ReadEntry> {
  const bytes = new ByteReader(archive);
  try {
    let records: Readonly<Record<string, string>> = {};
    for (;;) {
      const block = await bytes.exactly(blockBytes);
      if (block.every((byte) => byte === 0)) return await bytes.drain();
      checkSum(block);
      const type = block.toString('latin1', 156, 157);
      if (extended.includes(type)) {
        const found = await extendedHeader(type, block, bytes);
        if (type !== 'g') records = { ...records, ...found };
        continue;
      }
      const entry = entryOf(type, block, records);
      records = {};
      const content = bytes.upTo(entry.size);
      yield { ...entry, content };
      for await (const _rest of content);
      await bytes.exactly(paddingOf(entry.size));
    }
  } finally {
    await bytes.close();
  }
}

async function extendedHeader(type: string, block: Buffer, bytes: ByteReader): Promise<Record<string, string>> {
  const size = numberOf(block, 124, 12);
  if (size > longestHeaderBytes) throw new ArchiveError('a header is too long');
  const text = (await bytes.exactly(size)).toString('latin1');
  await bytes.exactly(paddingOf(size));
  if (type === 'L') return { path: untilNul(text) };
  return type === 'K' ? { linkpath: untilNul(text) } : paxRecords(text);
}

function paxRecords(text: string): Record<string, string> {
  const records: Record<string, string> = {};
  for (let at = 0; at < text.length; ) {
    const [, length = ''] = /^([0-9]{1,7}) /.exec(text.slice(at, at + 8)) ?? [];
    const record = text.slice(at + length.length + 1, at + Number(length));
    const equals = record.indexOf('=');
    if (equals <= 0 || !record.endsWith('\n')) throw new ArchiveError('an extended header is malformed');
    records[record.slice(0, equals)] = record.slice(equals + 1, -1);
    at += Number(length);
  }
  return records;
}

function entryOf(type: string, block: Buffer, records: Readonly<Record<string, string>>): TarEntry {
  const name = records['path'] ?? nameOf(block);
  const found = kinds[type];
  if (found === undefined) throw new ArchiveError(`${shown(name)} is neither a file, a folder nor a link`);
  const kind = found === 'file' && name.endsWith('/') ? 'folder' : found;
  const size = kind === 'file' ? Number(records['size'] ?? numberOf(block, 124, 12)) : 0;
  if (!Number.isSafeInteger(size) || size < 0) throw new ArchiveError(`the size of ${shown(name)} is malformed`);
  return {
    kind,
    name,
    target: records['linkpath'] ?? textAt(block, 157, 100),
    mode: numberOf(block, 100, 8) & 0o7777,
    size,
    mtimeNs: timeOf(records['mtime']) ?? BigInt(numberOf(block, 136, 12)) * 1_000_000_000n,
  };
}

function nameOf(block: Buffer): string {
  const name = textAt(block, 0, 100);
  const prefix = block.toString('latin1', 257, 263) === 'ustar\0' ? textAt(block, 345, 155) : '';
  return prefix === '' ? name : `${prefix}/${name}`;
}

/** Returns nanoseconds, `undefined` if the text is not a time. */
function timeOf(text = ''): bigint | undefined {
  const [, sign, seconds = '', fraction = ''] = /^(-?)([0-9]{1,15})(?:\.([0-9]*))?$/.exec(text) ?? [];
  if (sign === undefined) return undefined;
  const absolute = BigInt(seconds) * 1_000_000_000n + BigInt(fraction.padEnd(9, '0').slice(0, 9));
  return sign === '-' ? -absolute : absolute;
}

function numberOf(block: Buffer, at: number, length: number): number {
  if (((block[at] ?? 0) & 0x80) !== 0) return Number(block.readBigInt64BE(at + length - 8));
  const [, digits] = /^[ \0]*([0-7]*)/.exec(block.toString('latin1', at, at + length)) ?? [];
  return digits === undefined || digits === '' ? 0 : Number.parseInt(digits, 8);
}

function checkSum(block: Buffer): void {
  const rest = Buffer.from(block).fill(' ', 148, 156);
  if (rest.reduce((sum, byte) => sum + byte, 0) !== numberOf(block, 148, 8))
    throw new ArchiveError('a header is damaged');
}

function textAt(block: Buffer, at: number, length: number): string {
  return untilNul(block.toString('latin1', at, at + length));
}

function untilNul(text: string): string {
  const end = text.indexOf('\0');
  return end < 0 ? text : text.slice(0, end);
}

/** Returns a name for a message. */
export function shown(name: string): string {
  return JSON.stringify(Buffer.from(name, 'latin1').toString());
}

/** Reads an archive in pieces of given sizes. */
class ByteReader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#chunks = source[Symbol.asyncIterator]();
  }

  /** @throws ArchiveError if the archive ends before */
  async exactly(length: number): Promise<Buffer> {
    const pieces: Buffer[] = [];
    for await (const piece of this.upTo(length)) pieces.push(piece);
    return pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : Buffer.concat(pieces);
  }

  /** @throws ArchiveError if the archive ends before */
  async *upTo(length: number): AsyncGenerator<Buffer> {
    for (let missing = length; missing > 0; ) {
      if (this.#rest.length === 0) await this.#fill();
      const piece = this.#rest.subarray(0, missing);
      this.#rest = this.#rest.subarray(piece.length);
      missing -= piece.length;
      yield piece;
    }
  }

  /** Reads to the end, which a transfer has to reach to be verified. */
  async drain(): Promise<void> {
    while ((await this.#chunks.next()).done !== true);
  }

  async close(): Promise<void> {
    await this.#chunks.return?.();
  }

  async #fill(): Promise<void> {
    const next = await this.#chunks.next();
    if (next.done === true) throw new ArchiveError('it ends early');
    const { buffer, byteOffset, byteLength } = next.value;
    this.#rest = Buffer.from(buffer, byteOffset, byteLength);
  }
}
