import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';

import { ArchiveMissingError, StoreDeniedError } from '../../../src/errors/store.ts';
import { abortableChunks } from '../../../src/internal/abortable-chunks.ts';
import type { AbortOptions } from '../../../src/runtime/options.ts';
import type {
  ArchiveStore,
  ListedArchive,
  ReadArchiveOptions,
  WrittenArchive,
} from '../../../src/stores/archive-store.ts';

export type StoreCall = 'write' | 'read' | 'delete' | 'list' | 'usage' | 'probe';

export interface MemoryArchiveStoreOptions {
  /** @defaultValue `memory` */
  readonly name?: string;
  /** Called before each call has an effect. What it throws ends the call. @defaultValue no fault */
  readonly fault?: (call: StoreCall, key: string) => void | Promise<void>;
  /** @defaultValue `undefined` */
  readonly keepsChunks?: boolean;
  /** The store's clock. @defaultValue the time of this machine */
  readonly now?: () => Date;
}

/** Keeps archives in memory. Reads return chunks of at most 64 KiB, which are copies unless it keeps them. */
export class MemoryArchiveStore implements ArchiveStore {
  readonly name: string;
  readonly keepsChunks: boolean | undefined;
  /** The archives by key. Tests may change and delete them. */
  readonly archives = new Map<string, { bytes: Buffer; readonly modifiedAt: Date }>();
  readonly #fault: (call: StoreCall, key: string) => void | Promise<void>;
  readonly #now: () => Date;

  constructor(options: MemoryArchiveStoreOptions = {}) {
    const { name = 'memory', keepsChunks, fault = () => {}, now = () => new Date() } = options;
    this.name = name;
    this.keepsChunks = keepsChunks;
    this.#fault = fault;
    this.#now = now;
  }

  async write(key: string, bytes: AsyncIterable<Uint8Array>, { signal }: AbortOptions = {}): Promise<WrittenArchive> {
    signal?.throwIfAborted();
    await this.#fault('write', key);
    const chunks: Buffer[] = [];
    for await (const chunk of abortableChunks(bytes, signal)) {
      signal?.throwIfAborted();
      chunks.push(Buffer.from(chunk));
    }
    signal?.throwIfAborted();
    if (this.archives.has(key)) throw new StoreDeniedError({ store: this.name, key }, 'write', 'the key exists');
    const whole = Buffer.concat(chunks);
    this.archives.set(key, { bytes: whole, modifiedAt: this.#now() });
    return { storedBytes: whole.length, storedDigest: createHash('sha256').update(whole).digest('hex') };
  }

  async read(key: string, { signal, offset = 0 }: ReadArchiveOptions = {}): Promise<Readable> {
    signal?.throwIfAborted();
    await this.#fault('read', key);
    const archive = this.archives.get(key);
    if (archive === undefined) throw new ArchiveMissingError({ store: this.name, key });
    return readableOf(chunksOf(archive.bytes.subarray(offset), this.keepsChunks === false), signal);
  }

  async delete(key: string, { signal }: AbortOptions = {}): Promise<boolean> {
    signal?.throwIfAborted();
    await this.#fault('delete', key);
    return this.archives.delete(key);
  }

  async *list(prefix: string, { signal }: AbortOptions = {}): AsyncIterable<ListedArchive> {
    signal?.throwIfAborted();
    await this.#fault('list', prefix);
    for (const [key, { bytes, modifiedAt }] of this.archives) {
      signal?.throwIfAborted();
      if (key.startsWith(prefix)) yield { key, storedBytes: bytes.length, modifiedAt };
    }
  }

  async usage({ signal }: AbortOptions = {}): Promise<undefined> {
    signal?.throwIfAborted();
    await this.#fault('usage', '');
  }

  async probe({ signal }: AbortOptions = {}): Promise<void> {
    signal?.throwIfAborted();
    await this.#fault('probe', '');
  }

  async close(): Promise<void> {}
}

/** Returns a readable of these chunks. The signal destroys it with its own reason. */
export function readableOf(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, signal?: AbortSignal): Readable {
  const readable = Readable.from(chunks, { objectMode: false });
  const stop = (): void => void readable.destroy(signal?.reason as Error);
  signal?.addEventListener('abort', stop, { once: true });
  return readable.once('close', () => signal?.removeEventListener('abort', stop));
}

function* chunksOf(bytes: Buffer, areCopies: boolean): Iterable<Buffer> {
  for (let at = 0; at < bytes.length; at += 65_536) {
    const chunk = bytes.subarray(at, at + 65_536);
    yield areCopies ? alone(chunk) : chunk;
  }
}

/** Returns a copy with memory of its own, whatever its size. */
export function alone(bytes: Uint8Array): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.byteLength);
  copy.set(bytes);
  return copy;
}
