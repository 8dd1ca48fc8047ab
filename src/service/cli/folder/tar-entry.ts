/** The size of a block of a tar archive. */
export const blockBytes = 512;

/** The kinds of entries that are packed and unpacked. */
export type TarKind = 'file' | 'folder' | 'symlink' | 'link';

/** An entry of an archive, without its content. Names are bytes, as latin1 text. */
export interface TarEntry {
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

/** Returns the number of zeros after a content of this size. */
export function paddingOf(size: number): number {
  return (blockBytes - (size % blockBytes)) % blockBytes;
}
