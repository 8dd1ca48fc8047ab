import { readFileSync } from 'node:fs';
import { expect } from 'chai';

import * as library from '../../../src/index.ts';
import {
  type AnyKubernetesWorkerError,
  type ErrorCode,
  isKubernetesWorkerError,
  KubernetesWorkerError,
} from '../../../src/index.ts';

const call = { verb: 'create', resource: 'pods', namespace: 'ci' };
const pod = { namespace: 'ci', podName: 'kw-1' };
const processFacts = { handle: 'c-1', processId: 'task' };
const transfer = { handle: 'v-1' };

/** At least one error of each code; two where the class leaves `retryable` to the case. The type holds it to the union. */
const samples: { readonly [Code in ErrorCode]: readonly Extract<AnyKubernetesWorkerError, { code: Code }>[] } = {
  KW_ERR_ADMISSION_DENIED: [new library.AdmissionDeniedError(call, 'violates PodSecurity')],
  KW_ERR_AGENT_INCOMPATIBLE: [new library.AgentIncompatibleError([1, 1], [2, 3])],
  KW_ERR_AGENT_UNAVAILABLE: [true, false].map(
    (retryable) => new library.AgentUnavailableError('kw-1', 'not there', retryable),
  ),
  KW_ERR_API_ERROR: [new library.ApiError(call, 'no', { status: 422, reason: 'Invalid' })],
  KW_ERR_API_UNAVAILABLE: [new library.ApiUnavailableError(call, 'no', 503)],
  KW_ERR_ARTIFACT_TOO_LARGE: [new library.ArtifactTooLargeError(transfer, 1)],
  KW_ERR_CLOSED: [new library.ClosedError('worker')],
  KW_ERR_CONFLICT: [new library.ConflictError(call, 'exists')],
  KW_ERR_CONTAINER_DISAPPEARED: [new library.ContainerDisappearedError('c-1', 'w')],
  KW_ERR_CORRUPT_ARCHIVE: [new library.CorruptArchiveError(transfer, 'checksum')],
  KW_ERR_CREDENTIALS_UNAVAILABLE: [true, false].map(
    (retryable) => new library.CredentialsUnavailableError('plug-in aws', 'exit status 1', { retryable, stderr: 'no' }),
  ),
  KW_ERR_DIGEST_MISMATCH: [new library.DigestMismatchError(transfer, 'digest')],
  KW_ERR_DISK_FULL: [new library.DiskFullError(transfer, 'ENOSPC')],
  KW_ERR_EXECUTABLE_FORMAT: [new library.ExecutableFormatError(processFacts, 'x')],
  KW_ERR_EXECUTABLE_NOT_FOUND: [new library.ExecutableNotFoundError(processFacts, 'x')],
  KW_ERR_EXEC_CONNECTION_LOST: [new library.ExecConnectionLostError('reset', { bytesReceived: 1, bytesSent: 2 })],
  KW_ERR_EXEC_HANDSHAKE_FAILED: [true, false].map(
    (retryable) => new library.ExecHandshakeFailedError('no', { retryable }),
  ),
  KW_ERR_FILE_CHANGED: [new library.FileChangedError(transfer)],
  KW_ERR_FILE_NOT_FOUND: [new library.FileNotFoundError(transfer)],
  KW_ERR_FORBIDDEN: [new library.ForbiddenError(call, 'no')],
  KW_ERR_HEARTBEAT_TIMEOUT: [new library.HeartbeatTimeoutError(60_000)],
  KW_ERR_ILLEGAL_TRANSITION: [new library.IllegalTransitionError('container c-1', 'failed', 'created')],
  KW_ERR_IMAGE_PULL_FAILED: [true, false].map(
    (retryable) => new library.ImagePullFailedError(pod, 'busybox', retryable),
  ),
  KW_ERR_INVALID_SPEC: [new library.InvalidSpecError('image', 'is empty')],
  KW_ERR_LEASE_LOST: [new library.LeaseLostError('c-1')],
  KW_ERR_NOT_PERMITTED: [new library.NotPermittedError(transfer, 'EACCES')],
  KW_ERR_OPERATION_LOST: [new library.OperationLostError(transfer, 'restarted')],
  KW_ERR_OUTCOME_UNKNOWN: [new library.OutcomeUnknownError('process task', 'it was started')],
  KW_ERR_OUTPUT_FREED: [new library.OutputFreedError(processFacts, { stream: 'stdout', fromBytes: 0, toBytes: 1 })],
  KW_ERR_OUT_OF_MEMORY: [new library.OutOfMemoryError(pod, { containerName: 'main', limitBytes: 1 })],
  KW_ERR_PATH_CONFLICT: [new library.PathConflictError(transfer, 'file')],
  KW_ERR_POD_DELETED: [new library.PodDeletedError(pod)],
  KW_ERR_POD_EVICTED: [new library.PodEvictedError(pod)],
  KW_ERR_POD_FAILED: [new library.PodFailedError(pod)],
  KW_ERR_POD_START_TIMEOUT: [new library.PodStartTimeoutError(pod, 1)],
  KW_ERR_POD_UNSCHEDULABLE: [new library.PodUnschedulableError(pod, 1)],
  KW_ERR_PROCESS_NOT_FOUND: [new library.ProcessNotFoundError(processFacts)],
  KW_ERR_PROTOCOL_VIOLATION: [new library.ProtocolViolationError('garbage')],
  KW_ERR_QUOTA_EXCEEDED: [new library.QuotaExceededError(call, 'exceeded quota')],
  KW_ERR_RECONCILE: [new library.ReconcileError('reap', [new Error('x')])],
  KW_ERR_REPOSITORY_UNAVAILABLE: [new library.RepositoryUnavailableError('refused')],
  KW_ERR_SCHEMA_TOO_NEW: [new library.SchemaTooNewError('0001', '0002')],
  KW_ERR_STORE_NOT_CONFIGURED: [new library.StoreNotConfiguredError('s3')],
  KW_ERR_TOO_MANY_REQUESTS: [new library.TooManyRequestsError(call, 1000)],
  KW_ERR_TRANSFER_STALLED: [new library.TransferStalledError(transfer, 1)],
  KW_ERR_TRUNCATED_ARCHIVE: [true, false].map(
    (retryable) => new library.TruncatedArchiveError(transfer, 'cut', retryable),
  ),
  KW_ERR_UNAUTHORIZED: [new library.UnauthorizedError(call, 'no')],
  KW_ERR_UNSAFE_ARCHIVE_PATH: [new library.UnsafeArchivePathError(transfer)],
  KW_ERR_UNSUPPORTED_ENCODING: [new library.UnsupportedEncodingError(transfer, 'br')],
  KW_ERR_UNSUPPORTED_ENTRY: [new library.UnsupportedEntryError(transfer, 'device')],
  KW_ERR_UNSUPPORTED_SUBPROTOCOL: [new library.UnsupportedSubprotocolError(['v5'], 'none')],
  KW_ERR_USER_NOT_FOUND: [new library.UserNotFoundError(processFacts, 'ci')],
  KW_ERR_VOLUME_DAMAGED: [new library.VolumeDamagedError(transfer, 'half')],
  KW_ERR_VOLUME_DISAPPEARED: [new library.VolumeDisappearedError('v-1', 'w')],
  KW_ERR_VOLUME_IO: [new library.VolumeIoError(transfer, 'EIO')],
  KW_ERR_VOLUME_NOT_FOUND: [new library.VolumeNotFoundError('v-1')],
  KW_ERR_WORKING_DIRECTORY: [new library.WorkingDirectoryError(processFacts, '/x', 'EACCES')],
};

const codes = Object.keys(samples) as ErrorCode[];

/** The fields that a class adds to the one that it extends. */
function ownFields(error: AnyKubernetesWorkerError): string[] {
  const inherited = new Set(['name', 'code', 'retryable', 'stack', 'message', 'cause', ...inheritedFields(error)]);
  return Object.keys(error).filter((key) => !inherited.has(key));
}

function inheritedFields(error: AnyKubernetesWorkerError): string[] {
  if (error instanceof library.PodError) return ['namespace', 'podName', 'reason', 'detail', 'mayStillRun'];
  if (error instanceof library.ProcessError) return ['handle', 'processId'];
  if (error instanceof library.ClusterError) return ['verb', 'resource', 'namespace'];
  if (error instanceof library.TransferError)
    return ['handle', 'podName', 'direction', 'path', 'entry', 'errno', 'bytes'];
  return [];
}

function retryability(errors: readonly AnyKubernetesWorkerError[]): string {
  if (errors.every((error) => error.retryable)) return 'yes';
  return errors.some((error) => error.retryable) ? 'by case' : 'no';
}

interface DocumentedError {
  readonly className: string;
  readonly retryable: string;
  readonly fields: readonly string[];
}

function documentedErrors(): Map<string, DocumentedError> {
  const text = readFileSync(new URL('../../../docs/errors.md', import.meta.url), 'utf8');
  const rows = text.matchAll(
    /^\| `(?<code>KW_ERR_\w+)` \| `(?<className>\w+)`[^|]*\|[^|]+\| (?<retryable>[a-z ]+) \|(?<fields>[^|]*)\|$/gm,
  );
  return new Map(
    [...rows].map(({ groups }) => [
      groups!['code']!,
      {
        className: groups!['className']!,
        retryable: groups!['retryable']!,
        fields: [...groups!['fields']!.matchAll(/`(\w+)`/g)].map((match) => match[1]!),
      },
    ]),
  );
}

/** The error classes that the entry exports, without those that others extend. */
function exportedErrorClasses(): string[] {
  const classes = Object.entries(library).filter(
    ([, value]) => typeof value === 'function' && value.prototype instanceof KubernetesWorkerError,
  );
  const parents = new Set(classes.map(([, value]) => Object.getPrototypeOf(value) as unknown));
  return classes.filter(([, value]) => !parents.has(value)).map(([name]) => name);
}

describe('the errors', () => {
  it('are all in the union, and all exported from the entry', () => {
    expect(exportedErrorClasses().sort()).to.deep.equal(codes.map((code) => samples[code][0]!.constructor.name).sort());
  });

  it('are all in docs/errors.md, which has no others', () => {
    expect([...documentedErrors().keys()].sort()).to.deep.equal([...codes].sort());
  });

  for (const code of codes) {
    context(code, () => {
      const errors = samples[code];

      it('is the code of its class, whose name it carries', () => {
        for (const error of errors) {
          expect(error.code).to.equal(code);
          expect(error.name).to.equal(error.constructor.name);
          expect(isKubernetesWorkerError(error)).to.equal(true);
        }
      });

      it('is documented with its class, its fields, and whether it can be retried', () => {
        const documented = documentedErrors().get(code);
        expect(documented?.className).to.equal(errors[0]!.constructor.name);
        expect(documented?.retryable).to.equal(retryability(errors));
        expect([...documented!.fields].sort()).to.deep.equal(ownFields(errors[0]!).sort());
      });
    });
  }
});

describe('isKubernetesWorkerError', () => {
  it('recognises an error of another copy of the library by its mark', () => {
    const foreign = Object.defineProperty(new Error('from elsewhere'), Symbol.for('kubernetes-worker.error'), {
      value: true,
    });
    expect(isKubernetesWorkerError(foreign)).to.equal(true);
  });

  it('takes no other value for one', () => {
    for (const value of [new Error('plain'), undefined, 'KW_ERR_CLOSED', { code: 'KW_ERR_CLOSED' }])
      expect(isKubernetesWorkerError(value)).to.equal(false);
  });
});
