import { normalPath } from './entry-path.ts';
import type { TarEntry } from './tar-reader.ts';

/** Bounds the memory for names. An archive with more is not plain. */
const MAX_NAME_BYTES: number = 16 * 1024 * 1024;
/** About what a name costs in addition to its characters. */
const NAME_COST_BYTES = 64;

/** What an archive has at a path: `parent` is a folder without an entry of its own. */
type Kind = 'file' | 'link' | 'directory' | 'parent';

/**
 * Decides whether a path of an archive can be read without unpacking all of it: each path occurs
 * once, each hard link follows its file, and no file is used as a folder.
 */
export class PlainCheck {
  readonly #kinds = new Map<string, Kind>();
  #bytes = 0;
  #isPlain = true;

  get isPlain(): boolean {
    return this.#isPlain;
  }

  /** @param path - the normal path of the entry */
  take(entry: TarEntry, path: string): void {
    if (!this.#isPlain || path === '') return;
    this.#isPlain = !entry.isSparse && this.#addParents(path) && this.#addEntry(entry, path);
    if (this.#bytes > MAX_NAME_BYTES) this.#isPlain = false;
    if (!this.#isPlain) this.#kinds.clear();
  }

  #addEntry({ kind, target }: TarEntry, path: string): boolean {
    const existing = this.#kinds.get(path);
    if (existing !== undefined && !(existing === 'parent' && kind === 'directory')) return false;
    if (kind === 'link') {
      const file = normalPath(target);
      if (typeof file !== 'string' || this.#kinds.get(file) !== 'file') return false;
    }
    // A hard link may refer to a symbolic link as well.
    this.#set(path, kind === 'symlink' ? 'file' : kind);
    return true;
  }

  #addParents(path: string): boolean {
    for (let slash = path.lastIndexOf('/'); slash > 0; slash = path.lastIndexOf('/', slash - 1)) {
      const parent = path.slice(0, slash);
      const kind = this.#kinds.get(parent);
      if (kind === 'directory' || kind === 'parent') return true;
      if (kind !== undefined) return false;
      this.#set(parent, 'parent');
    }
    return true;
  }

  #set(path: string, kind: Kind): void {
    if (!this.#kinds.has(path)) this.#bytes += path.length + NAME_COST_BYTES;
    this.#kinds.set(path, kind);
  }
}
