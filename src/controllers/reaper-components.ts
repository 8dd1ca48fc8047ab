import type { EmitEvent } from '../events/emit-event.ts';
import type { OldConfigMap } from '../pods/old-agents.ts';
import type { LabelledPod, PodIdentity } from '../pods/pod-remover.ts';
import type { ArchiveRepository } from '../repository/archive-repository.ts';
import type { CacheLimits, CacheRepository } from '../repository/cache-repository.ts';
import type { ContainerQueries } from '../repository/container-queries.ts';
import type { ContainerRepository, FindDestroyableOptions } from '../repository/container-repository.ts';
import type { ReservationRepository } from '../repository/reservation-repository.ts';
import type { VolumeRepository } from '../repository/volume-repository.ts';
import type { AbortOptions, Clock, Logger } from '../runtime/options.ts';
import type { ArchiveStore } from '../stores/archive-store.ts';
import type { ArtifactStore } from '../stores/artifact-store.ts';
import type { Tracing } from '../telemetry/tracing.ts';
import type { UpkeepObserver } from '../telemetry/upkeep-metrics.ts';

export interface ReaperComponents {
  readonly workerName: string;
  readonly containers: ContainerRepository;
  readonly queries: Pick<ContainerQueries, 'findReapable' | 'unknownHandles' | 'unknownWorkers'>;
  readonly volumes: VolumeRepository;
  readonly pods: PodRemoval;
  readonly stores: ReadonlyMap<string, ArtifactStore>;
  readonly oldAgents: OldAgentRemoval;
  readonly clock: Clock;
  readonly logger: Logger;
  /**
   * How long a container is kept after the last mark of a hijack, in milliseconds. A host that has
   * died leaves its mark behind.
   */
  readonly hijackGraceMs: number;
  /**
   * Which containers stay although no owner needs them, or although no host continues their
   * creation.
   */
  readonly keeping: Pick<FindDestroyableOptions, 'leaseGraceMs' | 'maxKept' | 'maxKeptMs'>;
  /** How long the record of an owner that has finished for good is kept, in milliseconds. */
  readonly finishedOwnerTtlMs: number;
  readonly reservations: Pick<ReservationRepository, 'prune'>;
  readonly emit: EmitEvent;
  readonly tracing: Tracing;
  /** @defaultValue none */
  readonly upkeep?: Pick<UpkeepObserver, 'reaped' | 'leftBehind'> | undefined;
  /** @defaultValue the caches of the worker have no limits */
  readonly caches?: { readonly rows: Pick<CacheRepository, 'limit'>; readonly limits: CacheLimits } | undefined;
  /** @defaultValue the worker has no archive store */
  readonly archives?: ReapedArchives | undefined;
}

export interface ReapedArchives {
  readonly installationId: string;
  readonly rows: Pick<ArchiveRepository, 'findDestroyable' | 'findReapable' | 'deleteAll' | 'lookup'>;
  readonly stores: ReadonlyMap<string, ArchiveStore>;
}

/** Deletes pods and waits until they no longer exist. */
export interface PodRemoval {
  /** Returns all pods of the installation that are not being deleted. Never a part of them. */
  list(options?: AbortOptions): Promise<readonly LabelledPod[]>;
  /**
   * Returns for each pod, in their order, whether it certainly does not exist. `false` decides
   * nothing. Tests what exists when the call begins or later. Rejects if that cannot be determined.
   */
  findMissing(pods: readonly PodIdentity[], options?: AbortOptions): Promise<readonly boolean[]>;
  /**
   * Resolves when the pod of this handle no longer exists: with `true` if this call deleted it.
   * Keeps a pod of this name that belongs to another handle. Rejects if the pod still exists after
   * its grace period.
   */
  remove(
    podName: string,
    handle: string,
    options?: AbortOptions & { readonly uid?: string | undefined },
  ): Promise<boolean>;
}

/** Finds and deletes the config maps of agents that no pod uses. */
export interface OldAgentRemoval {
  find(options?: AbortOptions): Promise<readonly OldConfigMap[]>;
  /** Returns whether this call has deleted it. */
  remove(configMap: OldConfigMap, options?: AbortOptions): Promise<boolean>;
}
