import {
  CorruptArchiveError,
  type TransferFacts,
  TruncatedArchiveError,
  UnsupportedEntryError,
} from '../../errors/transfer.ts';
import { type PaxRecord, paxNumber, paxValue, readPax } from './pax-records.ts';
import { BLOCK_BYTES, CorruptTar, readHeader, readNumber, readText, type TarHeader } from './tar-header.ts';

const MAX_PAX_BYTES: number = 1024 * 1024;
const MAX_NAME_BYTES = 4098;
const KINDS: Readonly<Record<string, TarKind>> = {
  '\0': 'file',
  '0': 'file',
  '7': 'file',
  S: 'file',
  '1': 'link',
  '2': 'symlink',
  '5': 'directory',
};

export type TarKind = 'file' | 'link' | 'symlink' | 'directory';

/** The records of a global header that matter. Programs such as git also write comments. */
const GLOBAL_KEYS = ['path', 'linkpath', 'size', 'uid', 'gid', 'mtime'];

/** One entry, with all its headers merged. Names are bytes, as latin1 text. */
export interface TarEntry {
  readonly kind: TarKind;
  readonly name: string;
  readonly target: string;
  /** The bytes of content that follow in the archive. */
  readonly storedBytes: number;
  /** The size of the file. */
  readonly size: number;
  readonly isSparse: boolean;
  /** The time of the last change in the extended headers, in seconds. `undefined` if they have none. */
  readonly mtime: string | undefined;
  /** The header block. */
  readonly block: Buffer;
  readonly records: readonly PaxRecord[];
}

/** Receives the parts of an archive, in order. */
export interface TarSink {
  entry(entry: TarEntry): void;
  /** Content of the last entry. */
  content(bytes: Buffer): void;
}

type State = 'header' | 'meta' | 'sparse' | 'content' | 'end';

/**
 * Reads a raw tar archive in pieces of any size, by the rules of the agent (agent/src/tar). Does not
 * expand sparse files.
 */
export class TarReader {
  readonly #sink: TarSink;
  readonly #facts: TransferFacts;
  #state: State = 'header';
  /** The bytes of an incomplete block or extended header. */
  #held: Buffer = Buffer.alloc(0);
  #needed = BLOCK_BYTES;
  #header: TarHeader | undefined;
  #block: Buffer = Buffer.alloc(0);
  #entry: TarEntry | undefined;
  #left = 0;
  #padding = 0;
  #zeroBlocks = 0;
  #entries = 0;
  #global: readonly PaxRecord[] = [];
  #records: readonly PaxRecord[] = [];
  #longName: string | undefined;
  #longTarget: string | undefined;

  /** @param facts - for errors */
  constructor(sink: TarSink, facts: TransferFacts) {
    this.#sink = sink;
    this.#facts = facts;
  }

  /** Whether an extended header changes all entries that follow. */
  get hasGlobal(): boolean {
    return this.#global.length > 0;
  }

  /** Whether a closing block has arrived. */
  get hasClosingBlock(): boolean {
    return this.#zeroBlocks > 0;
  }

  /** @throws CorruptArchiveError, UnsupportedEntryError, and the errors of the sink */
  push(bytes: Uint8Array): void {
    let rest = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    try {
      while (rest.length > 0 && this.#state !== 'end') rest = this.#take(rest);
    } catch (error) {
      throw error instanceof CorruptTar ? this.#corrupt(error.message, error) : error;
    }
  }

  /**
   * @param isProven - whether the encoding of the archive has proven that it is complete: then it
   * may end without a closing block
   * @throws TruncatedArchiveError, CorruptArchiveError
   */
  end(isProven: boolean): void {
    if (this.#state === 'end') return;
    if (this.#state === 'content' && this.#left > 0) throw this.#truncated('the archive ends within an entry');
    const isZero = this.#held.every((byte) => byte === 0);
    if (this.#zeroBlocks > 0 && isZero) return;
    if (this.#zeroBlocks > 0) throw this.#corrupt('the archive continues after its end');
    const isBetween = this.#state === 'header' && this.#held.length === 0 && !this.#lacksEntry;
    if (!(isProven && this.#entries > 0 && isBetween))
      throw this.#truncated('the archive ends without a closing block');
  }

  get #lacksEntry(): boolean {
    return this.#records.length > 0 || this.#longName !== undefined || this.#longTarget !== undefined;
  }

  /** Takes at least one byte. Returns the rest. */
  #take(bytes: Buffer): Buffer {
    if (this.#state === 'content') return this.#content(bytes);
    const part = bytes.subarray(0, this.#needed - this.#held.length);
    this.#held = this.#held.length === 0 ? part : Buffer.concat([this.#held, part]);
    if (this.#held.length === this.#needed) {
      const whole = this.#held;
      this.#held = Buffer.alloc(0);
      this.#whole(whole);
    }
    return bytes.subarray(part.length);
  }

  #content(bytes: Buffer): Buffer {
    const part = bytes.subarray(0, this.#left);
    if (part.length > 0) this.#sink.content(part);
    this.#left -= part.length;
    const padding = Math.min(this.#padding, bytes.length - part.length);
    this.#padding -= padding;
    if (this.#left === 0 && this.#padding === 0) this.#expect('header', BLOCK_BYTES);
    return bytes.subarray(part.length + padding);
  }

  #expect(state: State, bytes: number): void {
    this.#state = state;
    this.#needed = bytes;
  }

  #whole(bytes: Buffer): void {
    if (this.#state === 'meta') this.#meta(bytes);
    else if (this.#state === 'sparse') this.#sparse(bytes);
    else if (bytes.every((byte) => byte === 0)) this.#closing();
    else this.#headerBlock(bytes);
  }

  #closing(): void {
    if (this.#lacksEntry) throw new CorruptTar('an extended header has no entry');
    this.#zeroBlocks += 1;
    if (this.#zeroBlocks === 2) this.#state = 'end';
  }

  #headerBlock(block: Buffer): void {
    if (this.#zeroBlocks > 0) throw new CorruptTar('the archive continues after its end');
    const header = readHeader(block);
    this.#header = header;
    this.#block = Buffer.from(block);
    const { type, size } = header;
    if ('xgLK'.includes(type)) this.#beginMeta(type, size);
    else if (KINDS[type] === undefined) throw this.#unsupported(header);
    else if (type === 'S' && block[482] !== 0) this.#expect('sparse', BLOCK_BYTES);
    else this.#begin(header);
  }

  #beginMeta(type: string, size: number): void {
    const longest = type === 'x' || type === 'g' ? MAX_PAX_BYTES : MAX_NAME_BYTES + 1;
    if (size > longest)
      throw new UnsupportedEntryError(
        this.#facts,
        `an extended header has ${size} bytes, and more than ${longest} are not supported`,
      );
    if (size === 0) this.#meta(Buffer.alloc(0));
    else this.#expect('meta', size + paddingOf(size));
  }

  #meta(padded: Buffer): void {
    const { type = '', size = 0 } = this.#header ?? {};
    const bytes = padded.subarray(0, size);
    if (type === 'x') this.#records = readPax(bytes);
    else if (type === 'L') this.#longName = readText(bytes);
    else if (type === 'K') this.#longTarget = readText(bytes);
    else this.#global = [...this.#global, ...readPax(bytes).filter(([key]) => GLOBAL_KEYS.includes(key))];
    this.#expect('header', BLOCK_BYTES);
  }

  /** Skips the blocks of a sparse map, up to the last. */
  #sparse(block: Buffer): void {
    if (block[504] === 0 && this.#header !== undefined) this.#begin(this.#header);
  }

  #begin(header: TarHeader): void {
    const entry = this.#merge(header);
    this.#records = [];
    [this.#longName, this.#longTarget] = [undefined, undefined];
    this.#entries += 1;
    this.#entry = entry;
    this.#left = entry.storedBytes;
    this.#padding = paddingOf(entry.storedBytes);
    this.#sink.entry(entry);
    this.#expect(entry.storedBytes > 0 ? 'content' : 'header', BLOCK_BYTES);
  }

  #merge(header: TarHeader): TarEntry {
    const records = this.#records;
    const isPaxSparse = records.some(([key]) => key.startsWith('GNU.sparse.'));
    const isSparse = header.type === 'S' || isPaxSparse;
    const name = (isPaxSparse ? paxValue(records, 'GNU.sparse.name') : undefined) ?? this.#nameOf(header);
    // Formats before ustar have no type for folders.
    const kind = !isSparse && KINDS[header.type] === 'file' && name.endsWith('/') ? 'directory' : KINDS[header.type];
    const storedBytes = kind === 'file' ? (this.#paxNumber('size') ?? header.size) : 0;
    const target =
      paxValue(records, 'linkpath') ?? this.#longTarget ?? paxValue(this.#global, 'linkpath') ?? header.target;
    const size = isSparse ? this.#sparseSize(header) : storedBytes;
    const mtime = paxValue(records, 'mtime') ?? paxValue(this.#global, 'mtime');
    return { kind: kind ?? 'file', name, target, storedBytes, size, isSparse, mtime, block: this.#block, records };
  }

  #nameOf({ name }: TarHeader): string {
    return paxValue(this.#records, 'path') ?? this.#longName ?? paxValue(this.#global, 'path') ?? name;
  }

  #paxNumber(key: string): number | undefined {
    return paxNumber(this.#records, key) ?? paxNumber(this.#global, key);
  }

  #sparseSize({ type }: TarHeader): number {
    const size =
      type === 'S'
        ? readNumber(this.#block.subarray(483, 495))
        : (paxNumber(this.#records, 'GNU.sparse.realsize') ?? paxNumber(this.#records, 'GNU.sparse.size'));
    if (size === undefined || size < 0) throw new CorruptTar("a sparse file's size is missing");
    return size;
  }

  #unsupported(header: TarHeader): UnsupportedEntryError {
    const { type } = header;
    const what = type === '3' || type === '4' ? 'is a device' : type === '6' ? 'is a fifo' : undefined;
    const hex = Buffer.from(type, 'latin1').toString('hex');
    const entry = displayName(this.#nameOf(header));
    return new UnsupportedEntryError({ ...this.#facts, entry }, `an entry ${what ?? `has the unknown type 0x${hex}`}`);
  }

  #corrupt(detail: string, cause?: Error): CorruptArchiveError {
    return new CorruptArchiveError(this.#facts, detail, { cause });
  }

  #truncated(detail: string): TruncatedArchiveError {
    const entry = this.#entry === undefined ? undefined : displayName(this.#entry.name);
    return new TruncatedArchiveError({ ...this.#facts, entry }, detail, false);
  }
}

/** Returns the padding between content and the next block. */
export function paddingOf(bytes: number): number {
  return (BLOCK_BYTES - (bytes % BLOCK_BYTES)) % BLOCK_BYTES;
}

/** Returns a name, which is bytes as latin1 text, for messages. */
export function displayName(name: string): string {
  return Buffer.from(name, 'latin1').toString('utf8');
}
