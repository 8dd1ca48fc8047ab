import { KubernetesWorkerError } from './base.ts';

/**
 * Where a transfer failed, as far as it is known: the library's facts and the agent's own.
 *
 * @public
 */
export interface TransferFacts {
  /** The volume's handle. */
  readonly handle?: string | undefined;
  readonly podName?: string | undefined;
  readonly direction?: 'in' | 'out' | undefined;
  /** The path in the volume, or in the container, that it is about. */
  readonly path?: string | undefined;
  /** The name of the archive's entry that it is about. */
  readonly entry?: string | undefined;
  /** The system's word for a failed call in the pod, like `ENOSPC`. */
  readonly errno?: string | undefined;
  /** How many raw bytes had passed. */
  readonly bytes?: number | undefined;
}

/**
 * What the errors about volumes' content have in common. After a failed upload the volume is as it was before it.
 *
 * @public
 */
export abstract class TransferError extends KubernetesWorkerError {
  readonly handle: string | undefined;
  readonly podName: string | undefined;
  readonly direction: 'in' | 'out' | undefined;
  readonly path: string | undefined;
  readonly entry: string | undefined;
  readonly errno: string | undefined;
  readonly bytes: number | undefined;

  constructor(what: string, facts: TransferFacts, retryable: boolean, options?: ErrorOptions) {
    super(`${describe(facts)}${what}`, retryable, options);
    this.handle = facts.handle;
    this.podName = facts.podName;
    this.direction = facts.direction;
    this.path = facts.path;
    this.entry = facts.entry;
    this.errno = facts.errno;
    this.bytes = facts.bytes;
  }
}

function describe({ handle, podName, direction, bytes }: TransferFacts): string {
  if (handle === undefined) return '';
  const action = direction === undefined ? 'volume' : `stream ${direction} of volume`;
  const where = podName === undefined ? '' : ` in pod ${podName}`;
  const after = bytes === undefined ? '' : ` after ${bytes} bytes`;
  return `${action} ${handle}${where}${after}: `;
}

/**
 * More bytes than the caller allows.
 *
 * @public
 */
export class ArtifactTooLargeError extends TransferError {
  override readonly code = 'KW_ERR_ARTIFACT_TOO_LARGE';
  readonly limitBytes: number;

  constructor(facts: TransferFacts, limitBytes: number, options?: ErrorOptions) {
    super(`more than the limit of ${limitBytes} bytes`, facts, false, options);
    this.limitBytes = limitBytes;
  }
}

/**
 * An entry of the archive, or the path given, leads out of the volume.
 *
 * @public
 */
export class UnsafeArchivePathError extends TransferError {
  override readonly code = 'KW_ERR_UNSAFE_ARCHIVE_PATH';

  constructor(facts: TransferFacts, options?: ErrorOptions) {
    super(`path ${JSON.stringify(facts.entry ?? facts.path ?? '')} leads out of the volume`, facts, false, options);
  }
}

/**
 * The archive holds what a volume cannot: a device, a fifo, an unknown kind of entry.
 *
 * @public
 */
export class UnsupportedEntryError extends TransferError {
  override readonly code = 'KW_ERR_UNSUPPORTED_ENTRY';

  constructor(facts: TransferFacts, detail: string, options?: ErrorOptions) {
    super(`unsupported entry ${JSON.stringify(facts.entry ?? '')}: ${detail}`, facts, false, options);
  }
}

/**
 * The archive ended before its end. Retryable where the wire lost the rest, and not where the caller's stream was short.
 *
 * @public
 */
export class TruncatedArchiveError extends TransferError {
  override readonly code = 'KW_ERR_TRUNCATED_ARCHIVE';

  constructor(facts: TransferFacts, detail: string, retryable: boolean, options?: ErrorOptions) {
    super(`the archive is truncated: ${detail}`, facts, retryable, options);
  }
}

/**
 * The stream is not a valid archive, or not validly encoded.
 *
 * @public
 */
export class CorruptArchiveError extends TransferError {
  override readonly code = 'KW_ERR_CORRUPT_ARCHIVE';

  constructor(facts: TransferFacts, detail: string, options?: ErrorOptions) {
    super(`the archive is corrupt: ${detail}`, facts, false, options);
  }
}

/**
 * Both ends counted or hashed different bytes; nothing was committed.
 *
 * @public
 */
export class DigestMismatchError extends TransferError {
  override readonly code = 'KW_ERR_DIGEST_MISMATCH';

  constructor(facts: TransferFacts, detail: string, options?: ErrorOptions) {
    super(`both ends disagree: ${detail}`, facts, true, options);
  }
}

/**
 * There is nothing at this path in the volume.
 *
 * @public
 */
export class FileNotFoundError extends TransferError {
  override readonly code = 'KW_ERR_FILE_NOT_FOUND';

  constructor(facts: TransferFacts, options?: ErrorOptions) {
    super(`no such file or folder: ${JSON.stringify(facts.path ?? '')}`, facts, false, options);
  }
}

/**
 * A file changed while it was read. Where the library can read it again (inputs, sources that are functions), it has done so some times.
 *
 * @public
 */
export class FileChangedError extends TransferError {
  override readonly code = 'KW_ERR_FILE_CHANGED';

  constructor(facts: TransferFacts, options?: ErrorOptions) {
    super(`${JSON.stringify(facts.entry ?? facts.path ?? '')} changed while it was read`, facts, true, options);
  }
}

/**
 * A file is where the archive has a folder, or the other way round; the volume is as it was.
 *
 * @public
 */
export class PathConflictError extends TransferError {
  override readonly code = 'KW_ERR_PATH_CONFLICT';

  constructor(facts: TransferFacts, detail: string, options?: ErrorOptions) {
    super(`conflict at ${JSON.stringify(facts.path ?? facts.entry ?? '')}: ${detail}`, facts, false, options);
  }
}

/**
 * The file system in the pod refused: permissions, a read-only file system.
 *
 * @public
 */
export class NotPermittedError extends TransferError {
  override readonly code = 'KW_ERR_NOT_PERMITTED';

  constructor(facts: TransferFacts, detail: string, options?: ErrorOptions) {
    super(`not permitted: ${detail}`, facts, false, options);
  }
}

/**
 * The disk of the pod's node is full; the volume is as it was.
 *
 * @public
 */
export class DiskFullError extends TransferError {
  override readonly code = 'KW_ERR_DISK_FULL';

  constructor(facts: TransferFacts, detail: string, options?: ErrorOptions) {
    super(`disk full: ${detail}`, facts, false, options);
  }
}

/**
 * Another failure of the file system in the pod.
 *
 * @public
 */
export class VolumeIoError extends TransferError {
  override readonly code = 'KW_ERR_VOLUME_IO';

  constructor(facts: TransferFacts, detail: string, options?: ErrorOptions) {
    super(detail, facts, false, options);
  }
}

/**
 * A commit that a crash interrupted could not be completed; the volume's content is neither the old nor the new.
 *
 * @public
 */
export class VolumeDamagedError extends TransferError {
  override readonly code = 'KW_ERR_VOLUME_DAMAGED';

  constructor(facts: TransferFacts, detail: string, options?: ErrorOptions) {
    super(`damaged: ${detail}`, facts, false, options);
  }
}

/**
 * The pod was silent for too long: it neither gave nor took a byte, and no work of it went on. A source or a reader of the
 * caller's that pauses never leads to this.
 *
 * @public
 */
export class TransferStalledError extends TransferError {
  override readonly code = 'KW_ERR_TRANSFER_STALLED';
  readonly waitedMs: number;

  constructor(facts: TransferFacts, waitedMs: number, options?: ErrorOptions) {
    super(`the pod neither gave nor took a byte for ${waitedMs} ms`, facts, true, options);
    this.waitedMs = waitedMs;
  }
}

/**
 * The pod has lost the operation (its container was restarted), or no connection to it was to be had for as long as the library tries; the volume is as it was.
 *
 * @public
 */
export class OperationLostError extends TransferError {
  override readonly code = 'KW_ERR_OPERATION_LOST';

  constructor(facts: TransferFacts, detail: string, options?: ErrorOptions) {
    super(`the operation is lost: ${detail}`, facts, true, options);
  }
}

/**
 * An encoding that the library does not know.
 *
 * @public
 */
export class UnsupportedEncodingError extends TransferError {
  override readonly code = 'KW_ERR_UNSUPPORTED_ENCODING';
  readonly encoding: string;

  constructor(facts: TransferFacts, encoding: string) {
    super(`unsupported encoding ${JSON.stringify(encoding)}: one of raw, gzip, zstd`, facts, false);
    this.encoding = encoding;
  }
}
