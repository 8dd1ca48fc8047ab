import { encodeEntry } from './encode-entry.ts';
import { normalPath } from './entry-path.ts';
import { paddingOf, type TarEntry, type TarSink } from './tar-reader.ts';

/** A file outside the selected folder that a hard link in it refers to. */
export interface OutsideFile {
  /** Its path in the archive. */
  readonly path: string;
  /** The name of the entry that takes its place. */
  readonly name: string;
}

/** Selects the entries at a path of an archive. Names are bytes, as latin1 text. */
export class EntryFilter implements TarSink {
  readonly #path: string;
  readonly #name: string;
  /** The first name in the selection of each file outside of it. */
  readonly #outside = new Map<string, string>();
  #parts: (Buffer | OutsideFile)[] = [];
  #found: TarEntry['kind'] | undefined;
  #link: string | undefined;
  #isUnsafe = false;
  #isCopied = false;
  #padding = 0;
  #left = 0;

  /** @param name - the name of the entry, if it is not a folder */
  constructor(path: string, name: string) {
    this.#path = path;
    this.#name = name;
  }

  /** The kind of the entry at the path, once it is known. */
  get kind(): TarEntry['kind'] | undefined {
    return this.#found;
  }

  /** The path of the file that the entry is a hard link to. */
  get linkedPath(): string | undefined {
    return this.#link;
  }

  /** Whether the path leads through a symbolic link. */
  get isUnsafe(): boolean {
    return this.#isUnsafe;
  }

  /** Returns the parts of the selection since the last call. */
  takeParts(): (Buffer | OutsideFile)[] {
    const parts = this.#parts;
    this.#parts = [];
    return parts;
  }

  entry(entry: TarEntry): void {
    this.#isCopied = false;
    const path = normalPath(entry.name);
    if (typeof path !== 'string') return;
    if (path === this.#path) this.#single(entry);
    else if (path.startsWith(`${this.#path}/`)) this.#inside(entry, path.slice(this.#path.length + 1));
    else if (entry.kind === 'symlink' && this.#path.startsWith(`${path}/`)) this.#isUnsafe = true;
  }

  content(bytes: Buffer): void {
    if (!this.#isCopied) return;
    this.#parts.push(bytes);
    this.#left -= bytes.length;
    if (this.#left === 0) this.#parts.push(Buffer.alloc(this.#padding));
  }

  #single(entry: TarEntry): void {
    this.#found ??= entry.kind;
    if (entry.kind === 'directory') return;
    if (entry.kind === 'link') this.#link = targetOf(entry);
    else this.#copy(entry, encodeEntry(entry, this.#name));
  }

  #inside(entry: TarEntry, rest: string): void {
    this.#found ??= 'directory';
    const name = `./${rest}${entry.kind === 'directory' ? '/' : ''}`;
    if (entry.kind === 'link') this.#hardLink(entry, name);
    else this.#copy(entry, encodeEntry(entry, name));
  }

  #hardLink(entry: TarEntry, name: string): void {
    const path = targetOf(entry);
    const isInside = path.startsWith(`${this.#path}/`);
    const target = isInside ? `./${path.slice(this.#path.length + 1)}` : this.#outside.get(path);
    if (target !== undefined) {
      this.#copy(entry, encodeEntry(entry, name, target));
      return;
    }
    this.#outside.set(path, name);
    this.#parts.push({ path, name });
  }

  #copy({ storedBytes }: TarEntry, header: Buffer): void {
    this.#parts.push(header);
    this.#isCopied = storedBytes > 0;
    this.#left = storedBytes;
    this.#padding = paddingOf(storedBytes);
  }
}

function targetOf({ target }: TarEntry): string {
  const path = normalPath(target);
  return typeof path === 'string' ? path : '';
}
