import { errorMark } from './base.ts';
import type { ClosedError, InvalidSpecError } from './caller.ts';
import type {
  AdmissionDeniedError,
  AgentNotInstalledError,
  ApiError,
  ApiUnavailableError,
  ConflictError,
  CredentialsUnavailableError,
  ForbiddenError,
  QuotaExceededError,
  TooManyRequestsError,
  UnauthorizedError,
} from './cluster.ts';
import type {
  AgentIncompatibleError,
  AgentUnavailableError,
  ExecConnectionLostError,
  ExecHandshakeFailedError,
  HeartbeatTimeoutError,
  ProtocolViolationError,
  UnsupportedSubprotocolError,
} from './connection.ts';
import type { HermeticNotEnforcedError } from './hermetic.ts';
import type { ContainerSpecChangedError, OwnerFinishedError } from './owner.ts';
import type {
  ImagePullFailedError,
  OutOfMemoryError,
  PodDeletedError,
  PodEvictedError,
  PodFailedError,
  PodStartTimeoutError,
  PodUnschedulableError,
} from './pod.ts';
import type {
  ExecutableFormatError,
  ExecutableNotFoundError,
  OutcomeUnknownError,
  OutputFreedError,
  ProcessDetachedError,
  ProcessNotFoundError,
  ProcessSpecChangedError,
  UserNotFoundError,
  WorkingDirectoryError,
} from './process.ts';
import type {
  ContainerDisappearedError,
  CreationLapsedError,
  IllegalTransitionError,
  LeaseLostError,
  MigrationChangedError,
  ReconcileError,
  RepositoryUnavailableError,
  SchemaTooNewError,
  StoreNotConfiguredError,
  VolumeDisappearedError,
  VolumeNotFoundError,
} from './repository.ts';
import type {
  ArchiveDamagedError,
  ArchiveMissingError,
  StoreDeniedError,
  StoreUnavailableError,
  VolumeChangedError,
} from './store.ts';
import type {
  ArtifactTooLargeError,
  CorruptArchiveError,
  DigestMismatchError,
  DiskFullError,
  FileChangedError,
  FileNotFoundError,
  NotPermittedError,
  OperationLostError,
  PathConflictError,
  TransferStalledError,
  TruncatedArchiveError,
  UnsafeArchivePathError,
  UnsupportedEncodingError,
  UnsupportedEntryError,
  VolumeDamagedError,
  VolumeIoError,
} from './transfer.ts';
import type { WorkerNotFoundError, WorkerNotRunningError } from './worker.ts';

/**
 * Every error of the library. A `switch` on `code` can be exhaustive and narrows to the class.
 *
 * @public
 */
export type AnyKubernetesWorkerError =
  | AdmissionDeniedError
  | AgentIncompatibleError
  | AgentNotInstalledError
  | AgentUnavailableError
  | ApiError
  | ApiUnavailableError
  | ArchiveDamagedError
  | ArchiveMissingError
  | ArtifactTooLargeError
  | ClosedError
  | ConflictError
  | ContainerDisappearedError
  | ContainerSpecChangedError
  | CorruptArchiveError
  | CreationLapsedError
  | CredentialsUnavailableError
  | DigestMismatchError
  | DiskFullError
  | ExecConnectionLostError
  | ExecHandshakeFailedError
  | ExecutableFormatError
  | ExecutableNotFoundError
  | FileChangedError
  | FileNotFoundError
  | ForbiddenError
  | HeartbeatTimeoutError
  | HermeticNotEnforcedError
  | IllegalTransitionError
  | ImagePullFailedError
  | InvalidSpecError
  | LeaseLostError
  | MigrationChangedError
  | NotPermittedError
  | OperationLostError
  | OutOfMemoryError
  | OutcomeUnknownError
  | OutputFreedError
  | OwnerFinishedError
  | PathConflictError
  | PodDeletedError
  | PodEvictedError
  | PodFailedError
  | PodStartTimeoutError
  | PodUnschedulableError
  | ProcessDetachedError
  | ProcessNotFoundError
  | ProcessSpecChangedError
  | ProtocolViolationError
  | QuotaExceededError
  | ReconcileError
  | RepositoryUnavailableError
  | SchemaTooNewError
  | StoreDeniedError
  | StoreNotConfiguredError
  | StoreUnavailableError
  | TooManyRequestsError
  | TransferStalledError
  | TruncatedArchiveError
  | UnauthorizedError
  | UnsafeArchivePathError
  | UnsupportedEncodingError
  | UnsupportedEntryError
  | UnsupportedSubprotocolError
  | UserNotFoundError
  | VolumeChangedError
  | VolumeDamagedError
  | VolumeDisappearedError
  | VolumeIoError
  | VolumeNotFoundError
  | WorkerNotFoundError
  | WorkerNotRunningError
  | WorkingDirectoryError;

/**
 * The codes of all errors of the library.
 *
 * @public
 */
export type ErrorCode = AnyKubernetesWorkerError['code'];

/**
 * Returns whether a value is an error of this library, from any copy of the library in the program.
 *
 * @example
 * ```ts
 * import { isKubernetesWorkerError } from 'kubernetes-worker';
 *
 * try {
 *   await worker.reap();
 * } catch (error) {
 *   if (!isKubernetesWorkerError(error)) throw error;
 *   console.error(error.code, error.message, error.retryable ? 'retry later' : 'do not retry');
 * }
 * ```
 *
 * @public
 */
export function isKubernetesWorkerError(value: unknown): value is AnyKubernetesWorkerError {
  return value instanceof Error && errorMark in value;
}

/** Returns whether the same call may succeed later without any change. */
export function isRetryable(error: unknown): boolean {
  return isKubernetesWorkerError(error) && error.retryable;
}

/** Returns the delay before a retry that the API server requests, in milliseconds. */
export function retryAfterMs(error: unknown): number | undefined {
  return isKubernetesWorkerError(error) && error.code === 'KW_ERR_TOO_MANY_REQUESTS' ? error.retryAfterMs : undefined;
}
