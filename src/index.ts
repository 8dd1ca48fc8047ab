export { type AgentConfigMapOptions, agentConfigMap } from './agent-manifest.ts';
export { artifactOfFiles, type FileContent, type FilesArtifactOptions } from './artifacts/files-artifact.ts';
export { checkWorkerOptions } from './check-worker-options.ts';
export { KubernetesWorkerError } from './errors/base.ts';
export { ClosedError, InvalidSpecError } from './errors/caller.ts';
export {
  AdmissionDeniedError,
  AgentNotInstalledError,
  type ApiCallFacts,
  ApiError,
  ApiUnavailableError,
  ClusterError,
  ConflictError,
  CredentialsUnavailableError,
  ForbiddenError,
  QuotaExceededError,
  TooManyRequestsError,
  UnauthorizedError,
} from './errors/cluster.ts';
export {
  AgentIncompatibleError,
  AgentUnavailableError,
  ExecConnectionLostError,
  ExecHandshakeFailedError,
  HeartbeatTimeoutError,
  ProtocolViolationError,
  UnsupportedSubprotocolError,
} from './errors/connection.ts';
export { type AnyKubernetesWorkerError, type ErrorCode, isKubernetesWorkerError } from './errors/error-code.ts';
export { type HermeticFacts, type HermeticFailure, HermeticNotEnforcedError } from './errors/hermetic.ts';
export { ContainerSpecChangedError, type OwnerFacts, OwnerFinishedError } from './errors/owner.ts';
export {
  ImagePullFailedError,
  type MemoryFacts,
  OutOfMemoryError,
  PodDeletedError,
  PodError,
  PodEvictedError,
  type PodFacts,
  PodFailedError,
  PodStartTimeoutError,
  PodUnschedulableError,
} from './errors/pod.ts';
export {
  ExecutableFormatError,
  ExecutableNotFoundError,
  type FreedOutput,
  OutcomeUnknownError,
  OutputFreedError,
  type OutputOffsetFacts,
  ProcessDetachedError,
  ProcessError,
  type ProcessFacts,
  ProcessNotFoundError,
  ProcessSpecChangedError,
  UserNotFoundError,
  WorkingDirectoryError,
} from './errors/process.ts';
export {
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
} from './errors/repository.ts';
export {
  ArchiveDamagedError,
  type ArchiveFacts,
  ArchiveMissingError,
  StoreDeniedError,
  StoreUnavailableError,
  VolumeChangedError,
} from './errors/store.ts';
export {
  ArtifactTooLargeError,
  CorruptArchiveError,
  DigestMismatchError,
  DiskFullError,
  FileChangedError,
  FileNotFoundError,
  NotPermittedError,
  OperationLostError,
  PathConflictError,
  TransferError,
  type TransferFacts,
  TransferStalledError,
  TruncatedArchiveError,
  UnsafeArchivePathError,
  UnsupportedEncodingError,
  UnsupportedEntryError,
  VolumeDamagedError,
  VolumeIoError,
} from './errors/transfer.ts';
export { WorkerNotFoundError, WorkerNotRunningError } from './errors/worker.ts';
export type { ExecEndpoint, ExecTls } from './exec/exec-endpoint.ts';
export type { ExecProtocol } from './exec/protocol-order.ts';
export { packFolder } from './folders/pack-folder.ts';
export { packedFolderBytes } from './folders/packed-folder-bytes.ts';
export { unpackFolder } from './folders/unpack-folder.ts';
export type {
  Cluster,
  ClusterUser,
  ConfigMap,
  ConfigMapList,
  CreatePodOptions,
  DeleteConfigMapOptions,
  DeletePodOptions,
  ExecEndpointOptions,
  ExecTarget,
  KubernetesNode,
  ListPodMetadataOptions,
  LogLine,
  LogTarget,
  NetworkPolicy,
  ObjectMetadata,
  Permission,
  Pod,
  PodChange,
  PodEvent,
  PodList,
  PodMetrics,
  ResourceQuota,
  Secret,
} from './kubernetes/cluster.ts';
export { KubernetesWorker } from './kubernetes-worker.ts';
export { type MigrateDatabaseOptions, type MigratedDatabase, migrateDatabase } from './migrate-database.ts';
export type {
  ArchivedVolume,
  ArchiveLease,
  ArchiveRecord,
  ArchiveRepository,
  ArchiveState,
  BegunArchive,
  NewArchive,
} from './repository/archive-repository.ts';
export type {
  BlessOutcome,
  CacheKey,
  CacheKind,
  CacheLimits,
  CacheRepository,
  InvalidateOptions,
  NewCache,
} from './repository/cache-repository.ts';
export type {
  ContainerQueries,
  ContainerRows,
  FindFinishedOptions,
  RowCounts,
  StoredProcess,
  StoredProcessOf,
} from './repository/container-queries.ts';
export type {
  ContainerRepository,
  DeletedContainers,
  FindDestroyableOptions,
  FindOrInsertOptions,
  FoundContainer,
  Lease,
  MarkOwnerFinishedOptions,
  NewContainer,
  NewContainerVolume,
  RecordHijackOptions,
  RecordProcessResultOptions,
} from './repository/container-repository.ts';
export type { LiveRows, PlacementQueries, VolumePlace } from './repository/placement-queries.ts';
export type {
  Database,
  DatabaseClient,
  DatabaseInProcess,
  DatabaseInProcessResult,
  DatabaseInProcessTransaction,
  DatabasePool,
  DatabaseResult,
  DatabaseUrl,
} from './repository/postgres/connection/database.ts';
export type {
  ArchiveContent,
  ArchiveReference,
  ContainerRecord,
  ProcessResultRecord,
  RawContent,
  VolumeRecord,
} from './repository/records.ts';
export type { NewReservation, ReservationKey, ReservationRepository } from './repository/reservation-repository.ts';
export type {
  MarkReadyOptions,
  NewArtifactVolume,
  VolumeContent,
  VolumeRepository,
} from './repository/volume-repository.ts';
export type { VolumeStreamRepository } from './repository/volume-stream-repository.ts';
export type { BeginReapOptions, WorkerRepository } from './repository/worker-repository.ts';
export type { WorkerList, WorkerMove, WorkerStates } from './repository/worker-states.ts';
export type {
  Affinity,
  LabelSelector,
  LabelSelectorRequirement,
  NodeAffinity,
  NodeSelectorRequirement,
  NodeSelectorTerm,
  PodAffinity,
  PodAffinityTerm,
  TopologySpreadConstraint,
} from './runtime/affinity.ts';
export type {
  ArtifactVolume,
  CopyArtifactOptions,
  CreateArtifactOptions,
  WorkerArtifacts,
} from './runtime/artifacts.ts';
export type {
  CacheOptions,
  InitializeCacheOptions,
  InitializeStreamedCacheOptions,
  InvalidateCacheOptions,
  TaskCacheKey,
  TaskCacheStep,
  VolumeCaches,
  WorkerCaches,
} from './runtime/caches.ts';
export type { CheckFinding, CheckName, CheckOptions, CheckReport } from './runtime/check.ts';
export type {
  Architecture,
  Container,
  ContainerMetadata,
  ContainerOwner,
  ContainerSpec,
  InputSpec,
} from './runtime/container.ts';
export type {
  ContainerDescription,
  ContainerUsage,
  KubernetesContainerInfo,
  KubernetesContainerState,
  PodConditionInfo,
  PodEventInfo,
  TerminationInfo,
} from './runtime/container-description.ts';
export type { ContainerInfo, ContainerPage, ContainerQuery, ContainerState } from './runtime/container-query.ts';
export type { PackFolderOptions, UnpackedFolder, UnpackFolderOptions } from './runtime/folder.ts';
export type {
  ImageDecision,
  ImageExplanation,
  ImageOptions,
  ImagePolicy,
  ImagePullPolicy,
  ImageRequest,
  ImageRule,
} from './runtime/image.ts';
export type { AbortOptions, Clock, Logger } from './runtime/options.ts';
export type {
  ArtifactLocality,
  ArtifactPlace,
  MissingFacts,
  NodesFacts,
  QuotaFacts,
  Reservation,
  ReservationCount,
  ReservationRequest,
  ResourceAmounts,
  WorkerFacts,
  WorkerPlacement,
} from './runtime/placement.ts';
export type { PodOptions, PodOwnerReference, PodSeLinuxOptions, PodToleration } from './runtime/pod-options.ts';
export type {
  PodDnsConfig,
  PodHostAlias,
  PodOverlay,
  PodOverlayContainer,
  PodOverlayKey,
  PodOverlayMount,
  PodOverlayRequests,
  PodOverlaySpec,
  PodOverlayVolume,
} from './runtime/pod-overlay.ts';
export type {
  AttachOptions,
  OutputChunk,
  OutputPosition,
  Process,
  ProcessIO,
  ProcessPosition,
  ProcessResult,
  ProcessSpec,
  Properties,
  RunOptions,
  SidecarEnd,
  TtySpec,
  UndeliveredOutput,
  UnsavedOutput,
  WaitOptions,
  WindowSize,
} from './runtime/process.ts';
export type { ProcessInfo, ProcessOutcome, ProcessState } from './runtime/process-info.ts';
export type { ListedProcess, ProcessPage, ProcessQuery, UnavailableContainer } from './runtime/process-query.ts';
export type { PvcStoreOptions, StorePodOptions } from './runtime/pvc-store-options.ts';
export type {
  ReapableArchive,
  ReapableConfigMap,
  ReapableContainer,
  ReapableVolume,
  ReapPlan,
  UnknownPod,
} from './runtime/reap-plan.ts';
export type { ReapOptions, ReapResult } from './runtime/reap-result.ts';
export type { ContainerLimits, ContainerRequests } from './runtime/resources.ts';
export type { RetentionOptions, UsageGroup, UsageQuery, WorkerRetention } from './runtime/retention.ts';
export type { S3Credentials, S3StoreOptions } from './runtime/s3-store-options.ts';
export type { SecretKey, SecretMount } from './runtime/secrets.ts';
export type { SidecarHttpProbe, SidecarPort, SidecarProbe, SidecarSpec } from './runtime/sidecar.ts';
export type {
  CacheLost,
  PulledImage,
  PullingImage,
  ScheduledPod,
  StepProgress,
  StepProgressFacts,
  StreamingCache,
  StreamingInput,
  UnschedulablePod,
  WaitingForQuota,
  WaitingForVolumes,
} from './runtime/step-progress.ts';
export type { ReviewedPermission, ReviewTokenOptions, TokenReview, WorkerTokens } from './runtime/token-review.ts';
export type { TransferOptions } from './runtime/transfer-options.ts';
export type {
  Artifact,
  Encoding,
  ReadFileOptions,
  ReadOnceSource,
  StreamInOptions,
  StreamOutOptions,
  StreamResult,
  StreamSource,
  Volume,
  VolumeMount,
  VolumeStatus,
} from './runtime/volume.ts';
export type { VolumeInfo, VolumeKind, VolumePage, VolumeQuery, VolumeState } from './runtime/volume-query.ts';
export type {
  ContainerWithMounts,
  DeletePodNow,
  FindOrCreateContainerOptions,
  OwnerFinishedOptions,
  StepDelegate,
  Worker,
} from './runtime/worker.ts';
export type {
  ControllerName,
  ControllerState,
  DependencyState,
  Leadership,
  LeadershipRole,
  PlacesInUse,
  ProbeOptions,
  WorkerControllers,
  WorkerLoad,
} from './runtime/worker-controllers.ts';
export type {
  ArtifactExpired,
  CacheNotSaved,
  CapacityReleased,
  ContainerCreated,
  ContainerEventFacts,
  ContainerFailed,
  ContainerLeaseLost,
  ContainerTakenOver,
  EventOverflow,
  EventsOptions,
  OwnerFinished,
  PodDeleted,
  ProcessEnded,
  ProcessStarted,
  Reaped,
  VolumeCreated,
  VolumeFilled,
  VolumeStreamedOut,
  WorkerEvent,
  WorkerEventFacts,
  WorkerEvents,
} from './runtime/worker-events.ts';
export type {
  HeartbeatOptions,
  LandOptions,
  WorkerInfo,
  WorkerLifecycle,
  WorkerState,
} from './runtime/worker-lifecycle.ts';
export type {
  ArchiveStore,
  ListedArchive,
  ReadArchiveOptions,
  StoreUsage,
  WrittenArchive,
} from './stores/archive-store.ts';
export type {
  ArtifactStore,
  CopyOptions,
  ReceivedArchive,
  ReceiveOptions,
  SentArchive,
  StoreLocation,
} from './stores/artifact-store.ts';
export { type PartBuffer, PartBuffers } from './stores/s3/part-buffers.ts';
export type { SaveOutputs, StoresOptions } from './stores/stores-options.ts';
export type { KubernetesWorkerOptions } from './worker-options.ts';
