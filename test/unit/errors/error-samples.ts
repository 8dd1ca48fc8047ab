import type { AnyKubernetesWorkerError, ErrorCode } from '../../../src/index.ts';
import * as library from '../../../src/index.ts';

const call = { verb: 'create', resource: 'pods', namespace: 'ci' };
const pod = { namespace: 'ci', podName: 'kw-1' };
const processFacts = { handle: 'c-1', processId: 'task' };
const upload = { handle: 'v-1', podName: 'kw-1', direction: 'in', bytes: 4096 } as const;
const download = { handle: 'v-1', podName: 'kw-1', direction: 'out' } as const;
const refused = 'pods "kw-1" is forbidden: ';

/**
 * At least one error of each code, and one of each kind if the class leaves `retryable` to the case.
 * The type holds the table to the union.
 */
export const samples: {
  readonly [Code in ErrorCode]: readonly Extract<AnyKubernetesWorkerError, { code: Code }>[];
} = {
  KW_ERR_ADMISSION_DENIED: [
    new library.AdmissionDeniedError(call, `${refused}violates PodSecurity "restricted:latest"`),
  ],
  KW_ERR_AGENT_INCOMPATIBLE: [new library.AgentIncompatibleError([1, 1], [2, 3])],
  KW_ERR_AGENT_NOT_INSTALLED: [new library.AgentNotInstalledError('ci', 'kubernetes-worker-agent-amd64-0123456789ab')],
  KW_ERR_AGENT_UNAVAILABLE: [true, false].map(
    (retryable) => new library.AgentUnavailableError('kw-1', 'no HELLO within 10000 ms', retryable),
  ),
  KW_ERR_API_ERROR: [
    new library.ApiError(call, 'Pod "kw-1" is invalid', { status: 422, reason: 'Invalid' }),
    new library.ApiError(call, 'no body', { status: 418, reason: undefined }),
  ],
  KW_ERR_API_UNAVAILABLE: [
    new library.ApiUnavailableError(call, 'etcdserver: leader changed', 503),
    new library.ApiUnavailableError(call, 'connect ECONNREFUSED 127.0.0.1:6443', undefined),
  ],
  KW_ERR_ARCHIVE_DAMAGED: [
    new library.ArchiveDamagedError({ store: 's3', key: 'i/00/a-1.tar.zst' }, 'its SHA-256 differs'),
  ],
  KW_ERR_ARCHIVE_MISSING: [new library.ArchiveMissingError({ store: 's3', key: 'i/00/a-1.tar.zst' })],
  KW_ERR_ARTIFACT_TOO_LARGE: [new library.ArtifactTooLargeError(upload, 1024)],
  KW_ERR_CLOSED: [new library.ClosedError('worker ci')],
  KW_ERR_CONFLICT: [new library.ConflictError(call, 'pods "kw-1" already exists')],
  KW_ERR_CONTAINER_DISAPPEARED: [new library.ContainerDisappearedError('c-1', 'ci')],
  KW_ERR_CORRUPT_ARCHIVE: [new library.CorruptArchiveError(upload, 'the checksum of a header is wrong')],
  KW_ERR_CREATION_LAPSED: [new library.CreationLapsedError('c-1', 'ci')],
  KW_ERR_CREDENTIALS_UNAVAILABLE: [true, false].map(
    (retryable) =>
      new library.CredentialsUnavailableError('plug-in aws', 'exit status 1', { retryable, stderr: 'no session' }),
  ),
  KW_ERR_DIGEST_MISMATCH: [new library.DigestMismatchError(download, 'the agent sent 4096 bytes, 4000 arrived')],
  KW_ERR_DISK_FULL: [
    new library.DiskFullError(upload, 'write: ENOSPC'),
    new library.DiskFullError({ store: 'pvc' }, 'write: ENOSPC'),
  ],
  KW_ERR_EXECUTABLE_FORMAT: [new library.ExecutableFormatError(processFacts, '/bin/tool')],
  KW_ERR_EXECUTABLE_NOT_FOUND: [new library.ExecutableNotFoundError(processFacts, 'tool')],
  KW_ERR_EXEC_CONNECTION_LOST: [
    new library.ExecConnectionLostError('read ECONNRESET', { bytesReceived: 100, bytesSent: 2000 }),
  ],
  KW_ERR_EXEC_HANDSHAKE_FAILED: [true, false].map(
    (retryable) => new library.ExecHandshakeFailedError('no answer within 10000 ms', { retryable }),
  ),
  KW_ERR_FILE_CHANGED: [new library.FileChangedError({ ...download, entry: 'log/current' })],
  KW_ERR_FILE_NOT_FOUND: [new library.FileNotFoundError({ ...download, path: 'version.json' })],
  KW_ERR_FORBIDDEN: [
    new library.ForbiddenError(call, 'User "ci" cannot create resource "pods"'),
    new library.ForbiddenError({ ...call, resource: 'pods/exec' }, 'User "ci" cannot create resource "pods/exec"'),
  ],
  KW_ERR_HEARTBEAT_TIMEOUT: [new library.HeartbeatTimeoutError(60_000)],
  KW_ERR_HERMETIC_NOT_ENFORCED: (
    ['policy-missing', 'policy-differs', 'policy-not-enforced', 'probe-inconclusive'] as const
  ).map((reason) => new library.HermeticNotEnforcedError({ namespace: 'ci', reason, detail: 'DETAIL' })),
  KW_ERR_ILLEGAL_TRANSITION: [new library.IllegalTransitionError('container c-1', 'failed', 'created')],
  KW_ERR_IMAGE_PULL_FAILED: [true, false].map(
    (retryable) =>
      new library.ImagePullFailedError(
        { ...pod, reason: 'ImagePullBackOff', detail: 'manifest unknown' },
        'busybox:none',
        retryable,
      ),
  ),
  KW_ERR_INVALID_SPEC: [new library.InvalidSpecError('outputs.result', 'is empty')],
  KW_ERR_LEASE_LOST: [new library.LeaseLostError('c-1')],
  KW_ERR_MIGRATION_CHANGED: [new library.MigrationChangedError('0004-output-sizes', 'a1b2', 'c3d4')],
  KW_ERR_NOT_PERMITTED: [new library.NotPermittedError(upload, 'open data: EROFS')],
  KW_ERR_OPERATION_LOST: [new library.OperationLostError(upload, 'the agent was restarted')],
  KW_ERR_OUTCOME_UNKNOWN: [
    new library.OutcomeUnknownError('process task in container c-1', 'its Kubernetes container was restarted'),
  ],
  KW_ERR_OUTPUT_FREED: [
    new library.OutputFreedError(processFacts, { stream: 'stdout', fromBytes: 0, toBytes: 65_536 }),
  ],
  KW_ERR_OUT_OF_MEMORY: [
    new library.OutOfMemoryError(pod, { containerName: 'main', limitBytes: 67_108_864 }),
    new library.OutOfMemoryError(pod, { containerName: 'db', limitBytes: undefined }),
  ],
  KW_ERR_OWNER_FINISHED: [new library.OwnerFinishedError({ kind: 'build-step', key: '4711/test' }, 'ci')],
  KW_ERR_PATH_CONFLICT: [new library.PathConflictError({ ...upload, path: 'result' }, 'it is a file, not a folder')],
  KW_ERR_POD_DELETED: [new library.PodDeletedError({ ...pod, mayStillRun: true })],
  KW_ERR_POD_EVICTED: [
    new library.PodEvictedError({ ...pod, reason: 'Evicted', detail: 'The node was low on resource: memory.' }),
  ],
  KW_ERR_POD_FAILED: [
    new library.PodFailedError({ ...pod, reason: 'CreateContainerConfigError', detail: 'secret "env" not found' }),
  ],
  KW_ERR_POD_START_TIMEOUT: [
    new library.PodStartTimeoutError({ ...pod, detail: 'container main is ContainerCreating' }, 300_000),
  ],
  KW_ERR_POD_UNSCHEDULABLE: [
    new library.PodUnschedulableError({ ...pod, detail: '0/1 nodes are available: 1 Insufficient cpu.' }, 300_000),
  ],
  KW_ERR_PROCESS_DETACHED: [new library.ProcessDetachedError(processFacts, { stdoutBytes: 52_311, stderrBytes: 0 })],
  KW_ERR_PROCESS_NOT_FOUND: [new library.ProcessNotFoundError(processFacts)],
  KW_ERR_PROCESS_SPEC_CHANGED: [new library.ProcessSpecChangedError(processFacts)],
  KW_ERR_PROTOCOL_VIOLATION: [new library.ProtocolViolationError('unknown stream 7')],
  KW_ERR_QUOTA_EXCEEDED: [new library.QuotaExceededError(call, `${refused}exceeded quota: few`)],
  KW_ERR_RECONCILE: [
    new library.ReconcileError('reaper pass of worker ci', [new Error('first cause')]),
    new library.ReconcileError('reaper pass of worker ci', [new Error('first cause'), 'second cause']),
  ],
  KW_ERR_REPOSITORY_UNAVAILABLE: [new library.RepositoryUnavailableError('connect ECONNREFUSED 127.0.0.1:5432')],
  KW_ERR_SCHEMA_TOO_NEW: [new library.SchemaTooNewError('0004-output-sizes', '0005-next')],
  KW_ERR_SPEC_CHANGED: [new library.ContainerSpecChangedError('c-1', { kind: 'build-step', key: '4711/test' })],
  KW_ERR_STORE_DENIED: [
    new library.StoreDeniedError({ store: 's3', key: 'i/00/a-1.tar.zst' }, 's3:PutObject', 'AccessDenied'),
  ],
  KW_ERR_STORE_NOT_CONFIGURED: [
    new library.StoreNotConfiguredError('s3'),
    new library.StoreNotConfiguredError('pvc', 'claim ci/archives does not exist'),
  ],
  KW_ERR_STORE_UNAVAILABLE: [new library.StoreUnavailableError({ store: 's3' }, 'connect ECONNREFUSED 127.0.0.1:7070')],
  KW_ERR_TOO_MANY_REQUESTS: [
    new library.TooManyRequestsError(call, 1000),
    new library.TooManyRequestsError(call, undefined),
  ],
  KW_ERR_TRANSFER_STALLED: [new library.TransferStalledError(upload, 120_000)],
  KW_ERR_TRUNCATED_ARCHIVE: [true, false].map(
    (retryable) => new library.TruncatedArchiveError(upload, 'its gzip data ends early', retryable),
  ),
  KW_ERR_UNAUTHORIZED: [new library.UnauthorizedError(call, 'Unauthorized')],
  KW_ERR_UNSAFE_ARCHIVE_PATH: [new library.UnsafeArchivePathError({ ...upload, entry: '../etc/passwd' })],
  KW_ERR_UNSUPPORTED_ENCODING: [new library.UnsupportedEncodingError({ handle: 'v-1' }, 'br')],
  KW_ERR_UNSUPPORTED_ENTRY: [new library.UnsupportedEntryError({ ...upload, entry: 'dev/tty' }, 'a device')],
  KW_ERR_UNSUPPORTED_SUBPROTOCOL: [
    new library.UnsupportedSubprotocolError(['SPDY/3.1', 'v4.channel.k8s.io'], 'HTTP 400'),
  ],
  KW_ERR_USER_NOT_FOUND: [new library.UserNotFoundError(processFacts, 'ci:staff')],
  KW_ERR_VOLUME_CHANGED: [new library.VolumeChangedError('v-1')],
  KW_ERR_VOLUME_DAMAGED: [new library.VolumeDamagedError({ handle: 'v-1' }, 'its commit could not be completed')],
  KW_ERR_VOLUME_DISAPPEARED: [new library.VolumeDisappearedError('v-1', 'ci')],
  KW_ERR_VOLUME_IO: [new library.VolumeIoError(download, 'read: EIO')],
  KW_ERR_VOLUME_NOT_FOUND: [new library.VolumeNotFoundError('v-1')],
  KW_ERR_WORKER_NOT_FOUND: [new library.WorkerNotFoundError('cl')],
  KW_ERR_WORKER_NOT_RUNNING: (['landing', 'landed', 'retiring', 'retired'] as const).map(
    (state) => new library.WorkerNotRunningError('ci', state),
  ),
  KW_ERR_WORKING_DIRECTORY: [new library.WorkingDirectoryError(processFacts, '/root/work', 'EACCES')],
};

export const codes = Object.keys(samples) as ErrorCode[];
