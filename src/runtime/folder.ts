import type { AbortOptions } from './options.ts';

/**
 * Options of `packFolder`.
 *
 * @public
 */
export interface PackFolderOptions extends AbortOptions {
  /**
   * The name of the one entry, if the path is that of a file.
   *
   * @defaultValue the last component of the path
   */
  readonly name?: string | undefined;
  /** Receives the path of each socket, FIFO and device, which an archive does not contain. */
  readonly skipped?: ((path: string) => void) | undefined;
}

/**
 * Options of `unpackFolder`.
 *
 * @public
 */
export interface UnpackFolderOptions extends AbortOptions {
  /** The maximum number of bytes in the content of the archive's files. @defaultValue no limit */
  readonly expandedLimitBytes?: number | undefined;
}

/**
 * What `unpackFolder` has unpacked.
 *
 * @public
 */
export interface UnpackedFolder {
  /**
   * What was packed: the content of a folder, or one file or link, which is then the only entry of
   * the folder and has a name without a slash.
   */
  readonly kind: 'folder' | 'file';
  /** The number of entries of the archive, except for its root. */
  readonly entries: number;
  /** The bytes in the content of its files. */
  readonly expandedBytes: number;
}
