import type { Readable } from 'node:stream';

import type { VolumeCaches } from './caches.ts';
import type { AbortOptions } from './options.ts';

/**
 * How a tar stream is encoded.
 *
 * @public
 */
export type Encoding = 'raw' | 'gzip' | 'zstd';

/**
 * Options of `Artifact.streamOut`.
 *
 * @public
 */
export interface StreamOutOptions extends AbortOptions {
  /** The encoding of the returned stream. @defaultValue `'raw'` */
  readonly encoding?: Encoding | undefined;
}

/**
 * Options of `Volume.streamIn`.
 *
 * @public
 */
export interface StreamInOptions extends AbortOptions {
  /** The encoding of the source. @defaultValue `'raw'` */
  readonly encoding?: Encoding | undefined;
  /** The maximum number of bytes of the source, in its encoding. @defaultValue no limit */
  readonly limitBytes?: number | undefined;
  /** The maximum number of bytes in the content of the archive's files. @defaultValue no limit */
  readonly expandedLimitBytes?: number | undefined;
}

/**
 * A tar stream that can be read once, or a function that opens it. The library calls the function
 * again if the pod has lost what it had received (its container was killed), or if the stream fails
 * with `FileChangedError`. A stream that can be read once then fails the transfer, unless the
 * library still holds all of its bytes.
 *
 * @public
 */
export type StreamSource = ReadOnceSource | (() => ReadOnceSource | Promise<ReadOnceSource>);

/**
 * A tar stream that can be read once. It gives bytes (`Uint8Array`). A stream that gives text, also
 * because of `setEncoding`, or anything else is refused with `InvalidSpecError` of `source`,
 * because decoding has already lost the bytes that are not text.
 *
 * @public
 */
export type ReadOnceSource = Readable | AsyncIterable<Uint8Array>;

/**
 * Describes a completed upload, as both ends have verified it.
 *
 * @public
 */
export interface StreamResult {
  /** The bytes of the source, in its encoding. */
  readonly bytes: number;
  /** The bytes of the raw tar archive. */
  readonly rawBytes: number;
  /** The SHA-256 of the raw tar archive that the source gave, in hex. */
  readonly digest: string;
  /** The number of entries of the archive. */
  readonly entries: number;
}

/**
 * Content that can be an input of a container.
 *
 * @public
 */
export interface Artifact {
  /** The unique and stable ID of the artifact. */
  readonly handle: string;
  /** The name of the worker that holds the artifact. */
  readonly source: string;
  /**
   * Returns a tar archive of what is at `path`: of a folder its entries, with names relative to the
   * folder; of a file that one entry. `''`, `'.'` and `'/'` select the root. The raw bytes of an
   * unchanged volume are the same each time.
   *
   * The readable ends only when the number of bytes and the SHA-256 agree at both ends. Until then
   * the received bytes are unverified. On failure the readable is destroyed with the error. A lost
   * connection is replaced: the readable pauses and continues.
   *
   * Destroying the readable ends the operation in the pod. The signal does the same at any time.
   *
   * Until the readable is closed, the reaper leaves the volume alone, even if its owner finishes or
   * the volume expires in the meantime. Destroy a readable that is no longer read: while it is
   * open, the pod is kept.
   *
   * @example
   * ```ts
   * import { createWriteStream } from 'node:fs';
   * import { pipeline } from 'node:stream/promises';
   *
   * const archive = await volume.streamOut('result', { encoding: 'gzip' });
   * // Rejects if the transfer fails; the file is then incomplete.
   * await pipeline(archive, createWriteStream('result.tar.gz'));
   * ```
   *
   * @throws FileNotFoundError if nothing is at `path`
   * @throws UnsafeArchivePathError if `path` leads out of the volume
   * @throws UnsupportedEncodingError if the encoding is unknown
   * @throws VolumeDisappearedError if the volume's pod or row no longer exists
   */
  streamOut(path: string, options?: StreamOutOptions): Promise<Readable>;
  /**
   * Returns the content of one file of at most `limitBytes` bytes (default 1 MiB). The content is
   * verified as in `streamOut`.
   *
   * @example
   * ```ts
   * const version: unknown = JSON.parse(Buffer.from(await volume.readFile('version.json')).toString());
   * ```
   *
   * @throws FileNotFoundError if nothing is at `path`
   * @throws PathConflictError if `path` is not a file
   * @throws ArtifactTooLargeError if the file is larger than the limit
   * @throws VolumeDisappearedError if the volume's pod or row no longer exists
   */
  readFile(path: string, options?: ReadFileOptions): Promise<Uint8Array>;
}

/**
 * Options of `Artifact.readFile`.
 *
 * @public
 */
export interface ReadFileOptions extends AbortOptions {
  /** The maximum size of the file in bytes. @defaultValue 1,048,576 */
  readonly limitBytes?: number | undefined;
}

/**
 * Describes the content of a volume. A volume is ready when its content is complete and verified.
 *
 * @public
 */
export interface VolumeStatus {
  /** The handle of the volume. */
  readonly handle: string;
  /** When the volume became ready. `undefined` if it is not ready. */
  readonly readyAt: Date | undefined;
  /**
   * The SHA-256, in hex, of the last raw archive that was streamed in to the root, or to which the
   * content was saved.
   */
  readonly digest: string | undefined;
  /** The size in bytes of that archive. */
  readonly sizeBytes: number | undefined;
  /** The name of the store that reads come from: `pod`, or the store of the volume's archive. */
  readonly store: string;
  /**
   * Since when an output is unsaved, because its store was not available at the end of a process; by
   * the database's clock. Its content is then readable as long as its pod exists. `undefined` if it
   * was saved or did not have to be.
   */
  readonly unsavedAt: Date | undefined;
  /**
   * When the reaper may delete the artifact volume, by the database's clock; each use postpones it.
   * `undefined` for a volume of a container.
   */
  readonly expiresAt: Date | undefined;
}

/**
 * A folder that outlives the processes that write it. It is mounted in a container, or, as an
 * artifact volume, in none.
 *
 * @public
 */
export interface Volume extends Artifact, VolumeCaches {
  /**
   * Unpacks a tar archive into the folder `path` and merges it into the existing content. The
   * folder is created if it is missing. Resolves when both ends have verified the bytes and the
   * volume has committed them.
   *
   * The upload is all or nothing: after a rejection the volume is unchanged. The exceptions are
   * `OutcomeUnknownError`, and `RepositoryUnavailableError` if the database does not answer after
   * the commit; the content is then in place.
   *
   * A lost connection is replaced, at any byte and any number of times, and the transfer continues
   * where both ends are. It fails when no byte was transferred for `reconnectTimeoutMs`. The source
   * may pause for any length of time.
   *
   * The signal stops the upload. A source that was not read to its end is destroyed.
   *
   * The archive ends with a closing block (512 zeros, usually two), and zeros may follow it. gzip
   * and zstd prove their own end: in these encodings the closing blocks may be missing, and zeros
   * after the encoded data are padding. Other bytes after gzip data are ignored, as `gzip -d` does,
   * but then the closing block is required.
   *
   * @example
   * ```ts
   * import { createReadStream } from 'node:fs';
   *
   * // A function lets the library open the source again after a restart of the pod's container.
   * const { rawBytes, digest } = await volume.streamIn('.', () => createReadStream('source.tar.gz'), {
   *   encoding: 'gzip',
   *   limitBytes: 100 * 1024 * 1024,
   * });
   * ```
   *
   * @throws CorruptArchiveError, TruncatedArchiveError or UnsupportedEntryError if the archive is
   * not acceptable
   * @throws UnsafeArchivePathError if `path` or an entry leads out of the volume
   * @throws PathConflictError if a file is where the archive has a folder, or the reverse
   * @throws ArtifactTooLargeError if the archive is larger than a limit
   * @throws InvalidSpecError or UnsupportedEncodingError if an argument is invalid
   * @throws DiskFullError or NotPermittedError if the pod cannot store the content
   * @throws TransferStalledError if the pod stays silent for `stallTimeoutMs`
   * @throws OperationLostError if the pod has lost the operation, or no connection could be
   * established
   * @throws VolumeDisappearedError if the volume's pod or row no longer exists
   * @throws OutcomeUnknownError if all bytes were sent and the pod could not be reached afterwards:
   * the volume is unchanged, or has all of the content
   * @throws StoreUnavailableError, StoreDeniedError or DiskFullError if an archive store cannot keep the
   * content; the volume is unchanged
   * @throws VolumeChangedError if other calls have changed a volume in an archive store in the
   * meantime, and the source can be read only once; this call has changed nothing
   * @throws the source's own error if the source fails
   */
  streamIn(path: string, source: StreamSource, options?: StreamInOptions): Promise<StreamResult>;
  /**
   * Returns what the database holds about the volume's content.
   *
   * @example
   * ```ts
   * const { readyAt, digest, sizeBytes } = await volume.status();
   * ```
   *
   * @throws VolumeDisappearedError if the volume's row no longer exists
   */
  status(options?: AbortOptions): Promise<VolumeStatus>;
}

/**
 * A volume and where it is mounted in a container.
 *
 * @public
 */
export interface VolumeMount {
  /** The mounted volume. */
  readonly volume: Volume;
  /** The mount path: absolute and normalized. */
  readonly mountPath: string;
  /** The purpose of the mount. A volume that is both an input and an output is an `output`. */
  readonly kind: 'dir' | 'input' | 'output' | 'cache';
  /** The name of the output. Absent for the other kinds. */
  readonly name?: string | undefined;
}
