import { KubernetesWorkerError } from './base.ts';

/**
 * Identifies where a transfer failed, as far as the library and the agent can determine it.
 *
 * @public
 */
export interface TransferFacts {
  /** The handle of the volume. */
  readonly handle?: string | undefined;
  /** The name of the pod. */
  readonly podName?: string | undefined;
  /** Whether bytes moved into the volume or out of it. */
  readonly direction?: 'in' | 'out' | undefined;
  /** The affected path in the volume or in the container. */
  readonly path?: string | undefined;
  /** The name of the affected entry of the archive. */
  readonly entry?: string | undefined;
  /** The error name of a failed system call in the pod, such as `ENOSPC`. */
  readonly errno?: string | undefined;
  /** The number of raw bytes that were transferred before the failure. */
  readonly bytes?: number | undefined;
}

/**
 * The base class of the errors about the content of volumes, and about archives of folders. After a
 * failed upload the volume is unchanged.
 *
 * @public
 */
export abstract class TransferError extends KubernetesWorkerError {
  /** The handle of the volume. */
  readonly handle: string | undefined;
  /** The name of the pod. */
  readonly podName: string | undefined;
  /** Whether bytes moved into the volume or out of it. */
  readonly direction: 'in' | 'out' | undefined;
  /** The affected path in the volume or in the container. */
  readonly path: string | undefined;
  /** The name of the affected entry of the archive. */
  readonly entry: string | undefined;
  /** The error name of a failed system call in the pod, such as `ENOSPC`. */
  readonly errno: string | undefined;
  /** The number of raw bytes that were transferred before the failure. */
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

/** Where an archive is unpacked: in a volume, or by `unpackFolder` in a folder of this machine. */
function placeOf({ handle }: TransferFacts): string {
  return handle === undefined ? 'folder' : 'volume';
}

const actions = { in: 'upload to volume', out: 'download from volume' };

function describe({ handle, podName, direction, bytes }: TransferFacts): string {
  if (handle === undefined) return '';
  const action = direction === undefined ? 'volume' : actions[direction];
  const where = podName === undefined ? '' : ` in pod ${podName}`;
  const after = bytes === undefined ? '' : ` after ${bytes} bytes`;
  return `${action} ${handle}${where}${after}: `;
}

/**
 * Thrown if the content is larger than the caller's limit.
 *
 * @public
 */
export class ArtifactTooLargeError extends TransferError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_ARTIFACT_TOO_LARGE';
  /** The limit in bytes. */
  readonly limitBytes: number;

  constructor(facts: TransferFacts, limitBytes: number, options?: ErrorOptions) {
    super(`the content is larger than the limit of ${limitBytes} bytes`, facts, false, options);
    this.limitBytes = limitBytes;
  }
}

/**
 * Thrown if an entry of the archive, or the given path, leads out of the volume or the folder.
 *
 * @public
 */
export class UnsafeArchivePathError extends TransferError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_UNSAFE_ARCHIVE_PATH';

  constructor(facts: TransferFacts, options?: ErrorOptions) {
    const path = JSON.stringify(facts.entry ?? facts.path ?? '');
    super(`path ${path} leads out of the ${placeOf(facts)}`, facts, false, options);
  }
}

/**
 * Thrown if the archive holds what a volume or a folder cannot store: a device, a FIFO, or an unknown
 * type of entry.
 *
 * @public
 */
export class UnsupportedEntryError extends TransferError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_UNSUPPORTED_ENTRY';

  constructor(facts: TransferFacts, detail: string, options?: ErrorOptions) {
    const entry = JSON.stringify(facts.entry ?? '');
    super(`the ${placeOf(facts)} cannot store entry ${entry}: ${detail}`, facts, false, options);
  }
}

/**
 * Thrown if the archive ends early. It is retryable if the connection lost the rest, and not if the
 * caller's stream was short.
 *
 * @public
 */
export class TruncatedArchiveError extends TransferError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_TRUNCATED_ARCHIVE';

  constructor(facts: TransferFacts, detail: string, retryable: boolean, options?: ErrorOptions) {
    super(`the archive is truncated: ${detail}`, facts, retryable, options);
  }
}

/**
 * Thrown if the stream is not a valid archive, or not validly encoded.
 *
 * @public
 */
export class CorruptArchiveError extends TransferError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_CORRUPT_ARCHIVE';

  constructor(facts: TransferFacts, detail: string, options?: ErrorOptions) {
    super(`the archive is corrupt: ${detail}`, facts, false, options);
  }
}

/**
 * Thrown if the two ends have counted or hashed different bytes. Nothing was committed.
 *
 * @public
 */
export class DigestMismatchError extends TransferError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_DIGEST_MISMATCH';

  constructor(facts: TransferFacts, detail: string, options?: ErrorOptions) {
    super(`the two ends have different bytes: ${detail}`, facts, true, options);
  }
}

/**
 * Thrown if nothing is at this path in the volume.
 *
 * @public
 */
export class FileNotFoundError extends TransferError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_FILE_NOT_FOUND';

  constructor(facts: TransferFacts, options?: ErrorOptions) {
    super(`no such file or directory: ${JSON.stringify(facts.path ?? '')}`, facts, false, options);
  }
}

/**
 * Thrown if a file changed while it was read. If the library can read it again (inputs, sources
 * that are functions), it has retried several times.
 *
 * @public
 */
export class FileChangedError extends TransferError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_FILE_CHANGED';

  constructor(facts: TransferFacts, options?: ErrorOptions) {
    super(`${JSON.stringify(facts.entry ?? facts.path ?? '')} changed while it was read`, facts, true, options);
  }
}

/**
 * Thrown if a file is where the archive has a folder, or the reverse. The target is unchanged.
 *
 * @public
 */
export class PathConflictError extends TransferError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_PATH_CONFLICT';

  constructor(facts: TransferFacts, detail: string, options?: ErrorOptions) {
    super(`conflict at ${JSON.stringify(facts.path ?? facts.entry ?? '')}: ${detail}`, facts, false, options);
  }
}

/**
 * Thrown if the file system in the pod refuses: missing permissions, a read-only file system.
 *
 * @public
 */
export class NotPermittedError extends TransferError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_NOT_PERMITTED';

  constructor(facts: TransferFacts, detail: string, options?: ErrorOptions) {
    super(`not permitted: ${detail}`, facts, false, options);
  }
}

/**
 * Thrown if the disk of the pod's node is full, or an archive store (`store`). The volume is
 * unchanged.
 *
 * @public
 */
export class DiskFullError extends TransferError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_DISK_FULL';
  /** The name of the archive store that is full, if it is not a node. */
  readonly store: string | undefined;

  constructor(facts: TransferFacts & { readonly store?: string | undefined }, detail: string, options?: ErrorOptions) {
    const { store } = facts;
    const where = store === undefined ? "disk full on the pod's node" : `store ${JSON.stringify(store)} is full`;
    super(`${where}: ${detail}`, facts, false, options);
    this.store = store;
  }
}

/**
 * Thrown for any other failure of the file system in the pod.
 *
 * @public
 */
export class VolumeIoError extends TransferError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_VOLUME_IO';

  constructor(facts: TransferFacts, detail: string, options?: ErrorOptions) {
    super(`file system error: ${detail}`, facts, false, options);
  }
}

/**
 * Thrown if a commit that a crash interrupted cannot be completed. The content of the volume is
 * neither the old nor the new one.
 *
 * @public
 */
export class VolumeDamagedError extends TransferError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_VOLUME_DAMAGED';

  constructor(facts: TransferFacts, detail: string, options?: ErrorOptions) {
    super(`the content is damaged: ${detail}`, facts, false, options);
  }
}

/**
 * Thrown if the pod stays silent for too long: it neither transfers a byte nor reports work in
 * progress. A pause of the caller's source or reader never leads to this error.
 *
 * @public
 */
export class TransferStalledError extends TransferError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_TRANSFER_STALLED';
  /** How long the pod was silent, in milliseconds. */
  readonly waitedMs: number;

  constructor(facts: TransferFacts, waitedMs: number, options?: ErrorOptions) {
    super(`the pod transferred no byte for ${waitedMs} ms (transfers.stallTimeoutMs)`, facts, true, options);
    this.waitedMs = waitedMs;
  }
}

/**
 * Thrown if the pod has lost the operation because its Kubernetes container was restarted, or if no
 * connection could be established for `reconnectTimeoutMs`. The volume is unchanged.
 *
 * @public
 */
export class OperationLostError extends TransferError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_OPERATION_LOST';

  constructor(facts: TransferFacts, detail: string, options?: ErrorOptions) {
    super(`operation lost: ${detail}`, facts, true, options);
  }
}

/**
 * Thrown if the library does not support an encoding.
 *
 * @public
 */
export class UnsupportedEncodingError extends TransferError {
  /** The stable code of this class. */
  override readonly code = 'KW_ERR_UNSUPPORTED_ENCODING';
  /** The encoding as given. */
  readonly encoding: string;

  constructor(facts: TransferFacts, encoding: string) {
    super(`unsupported encoding ${JSON.stringify(encoding)}: use raw, gzip or zstd`, facts, false);
    this.encoding = encoding;
  }
}
