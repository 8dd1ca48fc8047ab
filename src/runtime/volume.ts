import type { Readable } from 'node:stream';

import type { AbortOptions } from './options.ts';

/**
 * How a tar stream is encoded.
 *
 * @public
 */
export type Encoding = 'raw' | 'gzip' | 'zstd';

/**
 * Options of `streamOut`.
 *
 * @public
 */
export interface StreamOutOptions extends AbortOptions {
  /** @defaultValue `'raw'` */
  readonly encoding?: Encoding | undefined;
}

/**
 * Options of `streamIn`.
 *
 * @public
 */
export interface StreamInOptions extends AbortOptions {
  /** @defaultValue `'raw'` */
  readonly encoding?: Encoding | undefined;
  /** The most bytes to take from the stream, as given (encoded). @defaultValue no limit */
  readonly limitBytes?: number | undefined;
  /** The most bytes that the content of files may have. @defaultValue no limit */
  readonly expandedLimitBytes?: number | undefined;
}

/**
 * A tar stream: one that can be read once, or a function that opens it. A function may be called again, some times: where the
 * pod has lost what it had of the stream (its container was killed), and where the stream fails with `FileChangedError`. A
 * stream that can be read once is then lost, unless it was so short that all of it was still kept.
 *
 * @public
 */
export type StreamSource = ReadOnceSource | (() => ReadOnceSource | Promise<ReadOnceSource>);

/**
 * A tar stream that can be read once. It gives bytes (`Uint8Array`): one that gives text, also because of `setEncoding`, or
 * anything else is refused with `InvalidSpecError` of `source`, for text has lost what was no text.
 *
 * @public
 */
export type ReadOnceSource = Readable | AsyncIterable<Uint8Array>;

/**
 * What was streamed, as both ends agree.
 *
 * @public
 */
export interface StreamResult {
  /** Bytes of the stream as given (encoded). */
  readonly bytes: number;
  /** Bytes of the raw tar archive. */
  readonly rawBytes: number;
  /** SHA-256 of the raw tar archive as the source gave it, in hex. */
  readonly digest: string;
  /** Entries of the archive. */
  readonly entries: number;
}

/**
 * Something that can be an input of a container.
 *
 * @public
 */
export interface Artifact {
  /** Unique and stable. */
  readonly handle: string;
  /** The name of the worker that has it. */
  readonly source: string;
  /**
   * A tar archive of what is at `path`: of a folder its entries, relative to it; of a file that one entry. `""`, `"."` and `"/"` are the root.
   *
   * The readable `end`s only when count and SHA-256 agree at both ends; until then what it gave is unverified. Otherwise it is destroyed with the error.
   * A connection that is lost is replaced, and the readable goes on; it only pauses.
   * An unchanged volume gives the same raw bytes each time. A reader that stops early (`destroy`) ends the operation in the pod. The signal does the same at any time.
   *
   * @throws FileNotFoundError, UnsafeArchivePathError, UnsupportedEncodingError, VolumeDisappearedError
   */
  streamOut(path: string, options?: StreamOutOptions): Promise<Readable>;
  /**
   * The content of one file of at most `limitBytes` (default 1 MiB).
   *
   * @throws FileNotFoundError, ArtifactTooLargeError, and PathConflictError where it is not a file
   */
  readFile(path: string, options?: ReadFileOptions): Promise<Uint8Array>;
}

/**
 * Options of `readFile`.
 *
 * @public
 */
export interface ReadFileOptions extends AbortOptions {
  /** @defaultValue 1,048,576 */
  readonly limitBytes?: number | undefined;
}

/**
 * What is known of a volume's content. A volume is ready when its content is complete and verified.
 *
 * @public
 */
export interface VolumeStatus {
  readonly handle: string;
  readonly readyAt: Date | undefined;
  /** SHA-256 (hex) and size of the last archive that was streamed in to the root. */
  readonly digest: string | undefined;
  readonly sizeBytes: number | undefined;
}

/**
 * A folder with a life of its own, mounted in a container or not.
 *
 * @public
 */
export interface Volume extends Artifact {
  /**
   * Unpacks a tar archive into the folder `path`, which is made if it is missing, and merges it into what is there. All or nothing: after a rejection the
   * volume is as it was; only where the database does not answer after the commit (`RepositoryUnavailableError`) the content is there already. Resolves when the bytes were
   * verified at both ends and committed. The signal stops it. A source that was not read to its end is destroyed.
   *
   * The source may pause for as long as it likes; the signal ends a transfer whose source gives nothing more.
   *
   * The archive ends with a closing block (512 zeros, usually two), and zeros may follow it. gzip and zstd prove their own end:
   * in these encodings the closing blocks may be missing, and zeros behind the encoded data are padding. Other bytes behind
   * gzip data are ignored, as `gzip -d` does, but then the closing block is needed.
   *
   * A connection that is lost is replaced, at any byte and any number of times, and the transfer goes on where both ends are; it fails when no byte was gained for
   * `reconnectTimeoutMs`.
   *
   * @throws CorruptArchiveError, TruncatedArchiveError, UnsafeArchivePathError, UnsupportedEntryError, PathConflictError, ArtifactTooLargeError,
   * InvalidSpecError, DiskFullError, NotPermittedError, UnsupportedEncodingError, TransferStalledError, OperationLostError, VolumeDisappearedError; what the source fails with comes back as it is
   * @throws OutcomeUnknownError - every byte was sent, and then nobody could be asked any more: the volume is as it was, or has all of it
   */
  streamIn(path: string, source: StreamSource, options?: StreamInOptions): Promise<StreamResult>;
  status(options?: AbortOptions): Promise<VolumeStatus>;
}

/**
 * A volume and where a container has it.
 *
 * @public
 */
export interface VolumeMount {
  readonly volume: Volume;
  /** Absolute and clean. */
  readonly mountPath: string;
  /** What it is for the container. A volume that is input and output is an `output`. */
  readonly kind: 'dir' | 'input' | 'output' | 'cache';
  /** The name of the output, where it is one. */
  readonly name?: string | undefined;
}
