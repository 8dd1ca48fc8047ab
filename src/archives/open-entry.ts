import { InvalidSpecError } from '../errors/caller.ts';
import {
  CorruptArchiveError,
  FileNotFoundError,
  type TransferFacts,
  UnsafeArchivePathError,
} from '../errors/transfer.ts';
import type { AbortOptions } from '../runtime/options.ts';
import type { SentArchive } from '../stores/artifact-store.ts';
import { EntryFilter } from './tar/entry-filter.ts';
import { normalPath } from './tar/entry-path.ts';
import { CLOSING_BLOCKS } from './tar/header-block.ts';
import { TarReader } from './tar/tar-reader.ts';

/** A raw tar archive that is read once. It ends only after it was verified. */
export interface OpenArchive {
  readonly bytes: AsyncGenerator<Uint8Array>;
  /** Ends the archive early. A pending read then rejects. Idempotent. */
  stop(): void;
}

/** An entry of an archive, as a new archive. */
export interface OpenEntry extends OpenArchive {
  readonly kind: SentArchive['kind'];
}

/** Opens the whole archive. */
export type OpenWhole = (options: AbortOptions) => Promise<OpenArchive>;

/**
 * Opens the entry at a path, as the agent's `send` does: the root as the whole archive, a folder with
 * names relative to it, anything else as one entry. Reads the archive to its end, because only that
 * verifies it. A hard link to a file outside the folder becomes that file: the archive is read once
 * more for each of these files.
 *
 * @throws InvalidSpecError, FileNotFoundError, UnsafeArchivePathError
 */
export async function openEntry(path: string, whole: OpenWhole, options: AbortOptions): Promise<OpenEntry> {
  const facts: TransferFacts = { direction: 'out', path };
  if (path.includes('\0')) throw new InvalidSpecError('path', 'contains a NUL');
  const normal = normalPath(Buffer.from(path).toString('latin1'));
  if (typeof normal !== 'string') throw new UnsafeArchivePathError(facts);
  if (normal === '') return { kind: 'directory', ...(await whole(options)) };
  return await new EntryOpener(whole, options, facts).open(normal, normal.slice(normal.lastIndexOf('/') + 1));
}

class EntryOpener {
  readonly #whole: OpenWhole;
  readonly #options: AbortOptions;
  readonly #facts: TransferFacts;
  /** The archives that are being read. */
  readonly #open = new Set<OpenArchive>();
  #isStopped = false;

  constructor(whole: OpenWhole, options: AbortOptions, facts: TransferFacts) {
    this.#whole = whole;
    this.#options = options;
    this.#facts = facts;
  }

  async open(path: string, name: string): Promise<OpenEntry> {
    const { kind, bytes } = await this.#find(path, name);
    return { kind, bytes: closed(bytes), stop: () => this.#stop() };
  }

  #stop(): void {
    this.#isStopped = true;
    for (const archive of this.#open) archive.stop();
  }

  /** Resolves when the kind of the entry is known. */
  async #find(path: string, name: string, isTarget = false): Promise<Omit<OpenEntry, 'stop'>> {
    const archive = await this.#whole(this.#options);
    this.#open.add(archive);
    if (this.#isStopped) archive.stop();
    const filter = new EntryFilter(path, name);
    const reader = new TarReader(filter, this.#facts);
    try {
      while (filter.kind === undefined) {
        const next = await archive.bytes.next();
        if (next.done === true) break;
        reader.push(next.value);
      }
      this.#check(filter, isTarget);
    } catch (error) {
      this.#close(archive);
      throw error;
    }
    if (filter.linkedPath === undefined) return { kind: kindOf(filter), bytes: this.#rest(archive, reader, filter) };
    // The other read verifies the archive.
    this.#close(archive);
    return await this.#find(filter.linkedPath, name, true);
  }

  /** Throws if the path has no entry, or if the target of a hard link is not a file. */
  #check({ kind, isUnsafe }: EntryFilter, isTarget: boolean): void {
    if (isTarget && (kind === undefined || kind === 'link' || kind === 'directory'))
      throw new CorruptArchiveError(this.#facts, 'a hard link refers to something other than a file');
    if (kind !== undefined) return;
    throw isUnsafe ? new UnsafeArchivePathError(this.#facts) : new FileNotFoundError(this.#facts);
  }

  async *#rest(archive: OpenArchive, reader: TarReader, filter: EntryFilter): AsyncGenerator<Uint8Array> {
    try {
      yield* this.#parts(filter);
      for await (const bytes of archive.bytes) {
        reader.push(bytes);
        yield* this.#parts(filter);
      }
    } finally {
      this.#close(archive);
    }
  }

  async *#parts(filter: EntryFilter): AsyncGenerator<Uint8Array> {
    for (const part of filter.takeParts())
      if (part instanceof Uint8Array) yield part;
      else yield* (await this.#find(part.path, part.name, true)).bytes;
  }

  #close(archive: OpenArchive): void {
    archive.stop();
    this.#open.delete(archive);
  }
}

async function* closed(bytes: AsyncGenerator<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* bytes;
  yield CLOSING_BLOCKS;
}

function kindOf({ kind }: EntryFilter): SentArchive['kind'] {
  return kind === 'directory' || kind === 'symlink' ? kind : 'file';
}
