import type { ArchiveService } from '../archives/archive-service.ts';
import type { Caches } from '../caches/caches.ts';
import type { Reaper } from '../controllers/reaper.ts';
import type { Registrar } from '../controllers/registrar.ts';
import type { EventHub } from '../events/event-hub.ts';
import type { StepImageResolver } from '../images/step-images.ts';
import type { Cluster } from '../kubernetes/cluster.ts';
import type { Placement } from '../placement/placement.ts';
import type { AgentPool } from '../pods/agent-pool.ts';
import type { PodLogs } from '../pods/pod-logs.ts';
import type { PodRemover } from '../pods/pod-remover.ts';
import type { PodSupervisor } from '../pods/pod-supervisor.ts';
import type { Repository } from '../repository/repository.ts';
import type { CheckOptions, CheckReport } from '../runtime/check.ts';
import type { Clock, Logger } from '../runtime/options.ts';
import type {
  ControllerState,
  DependencyState,
  Leadership,
  ProbeOptions,
  WorkerLoad,
} from '../runtime/worker-controllers.ts';
import type { ArtifactStore } from '../stores/artifact-store.ts';
import type { TemporaryVolumeComponents } from '../stores/temporary-volume.ts';
import type { Tracing } from '../telemetry/tracing.ts';
import type { ContainerCreationComponents } from './creation/container-creation.ts';
import type { PrivilegedTeams } from './plan/privileged-teams.ts';
import type { OutputSaving } from './process/output-saver.ts';
import type { OpenStreams } from './retention/open-streams.ts';

/** The parts of a `PodWorker`. */
export interface PodWorkerComponents {
  readonly name: string;
  readonly repository: Repository;
  readonly cluster: Cluster;
  readonly agents: AgentPool;
  readonly pods: PodSupervisor;
  readonly logs: PodLogs;
  readonly launcher: ContainerCreationComponents['launcher'];
  readonly images: StepImageResolver;
  readonly hermetic: ContainerCreationComponents['hermetic'];
  /** The teams whose containers may be privileged. */
  readonly privilegedTeams: PrivilegedTeams;
  readonly stores: ReadonlyMap<string, ArtifactStore>;
  /** The store of containers' volumes, which are in the containers' own pods. */
  readonly podStore: ContainerCreationComponents['podStore'];
  /** The name of the store of new artifact volumes. */
  readonly artifactStore: string;
  /** The names of the archive stores. */
  readonly archiveStores: Pick<ReadonlySet<string>, 'has'>;
  /** How artifact volumes are created that have a pod of their own. */
  readonly temporary: TemporaryVolumeComponents;
  /** How long a transfer retries while its archive store is unavailable, in milliseconds. */
  readonly unavailableBudgetMs: number;
  readonly caches: Caches;
  readonly reaper: Reaper;
  /** The transfers that are under way. */
  readonly streams: OpenStreams;
  /** The longest time for which a container is kept, in milliseconds. */
  readonly maxKeptMs: number;
  /** Called when rows were marked for the reaper. */
  readonly reapSoon: () => void;
  readonly registrar: Registrar;
  readonly controllers: {
    readonly leadership: Leadership;
    readonly states: readonly ControllerState[];
    stop(): Promise<void>;
  };
  readonly load: () => WorkerLoad;
  readonly probe: (options: ProbeOptions) => Promise<readonly DependencyState[]>;
  readonly remover: Pick<PodRemover, 'delete'>;
  readonly check: (options: CheckOptions) => Promise<CheckReport>;
  readonly podName: ContainerCreationComponents['podName'];
  readonly newId: () => string;
  /** How long a container that is being created stays leased to a host that died. */
  readonly leaseMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly artifactTimeToLiveMs: number;
  readonly hijackGraceMs: number;
  readonly events: EventHub;
  readonly tracing: Tracing;
  /** Whether commands receive the trace context of their span in their environment. */
  readonly traceEnvironment: boolean;
  readonly placement: Placement;
  /** `undefined` for a worker without archive stores. */
  readonly archives: ArchiveService | undefined;
  /** How outputs are saved. `undefined` for a worker without a store for outputs. */
  readonly saving: OutputSaving | undefined;
  /** Releases the worker's resources. */
  readonly close: () => Promise<void>;
}
