import type { Writable } from 'node:stream';

import type { Caches } from '../../caches/caches.ts';
import type { EmitEvent } from '../../events/emit-event.ts';
import type { HermeticGuard } from '../../hermetic/hermetic-guard.ts';
import type { StepImageResolver, StepImages } from '../../images/step-images.ts';
import type { PodLauncher } from '../../pods/pod-launcher.ts';
import type { PodSupervisor } from '../../pods/pod-supervisor.ts';
import type { StartProgress } from '../../pods/start-progress.ts';
import type { ContainerRepository, FoundContainer, Lease } from '../../repository/container-repository.ts';
import type { ContainerRecord, VolumeRecord } from '../../repository/records.ts';
import type { ContainerMetadata, ContainerOwner } from '../../runtime/container.ts';
import type { Clock, Logger } from '../../runtime/options.ts';
import type { Artifact } from '../../runtime/volume.ts';
import type { StepDelegate } from '../../runtime/worker.ts';
import type { ContainerVolumeStore } from '../../stores/artifact-store.ts';
import type { Tracing } from '../../telemetry/tracing.ts';
import type { ContainerPlan } from '../plan/container-plan.ts';
import type { OpenStreams } from '../retention/open-streams.ts';
import type { StoredVolume } from '../volumes/stored-volume.ts';

export interface ContainerCreationComponents {
  readonly workerName: string;
  readonly containers: ContainerRepository;
  readonly images: Pick<StepImageResolver, 'resolve'>;
  readonly launcher: PodLauncher;
  readonly pods: PodSupervisor;
  readonly hermetic: Pick<HermeticGuard, 'prepare' | 'requireSealed'>;
  /** The store of containers' volumes. */
  readonly podStore: ContainerVolumeStore;
  readonly streams: Pick<OpenStreams, 'open'>;
  readonly caches: Pick<Caches, 'findTaskCache' | 'dropTaskCache' | 'filledFrom'>;
  readonly volume: (record: VolumeRecord) => Artifact & Pick<StoredVolume, 'takeFrom'>;
  readonly podName: (handle: string, metadata: ContainerMetadata) => string;
  readonly newId: () => string;
  /** A working holder renews its lease. A holder that died is replaced after this time. */
  readonly leaseMs: number;
  readonly emit: EmitEvent;
  readonly tracing: Tracing;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The container that a caller requests. */
export interface ContainerRequest {
  readonly owner: ContainerOwner;
  readonly plan: ContainerPlan;
  /** The digest of everything that determines the container. */
  readonly specDigest: string;
  readonly onSpecChange: 'reject' | 'keep';
  readonly metadata: ContainerMetadata;
  readonly delegate: StepDelegate | undefined;
  /** Receives why the pod waits, or has failed. */
  readonly stderr?: Writable | undefined;
}

/** A request, and its images. */
export interface ResolvableRequest extends ContainerRequest {
  /**
   * Resolves the images at the first call. An existing container is found without them, so that a
   * changed policy does not make it unusable.
   */
  readonly images: () => Promise<StepImages>;
}

/** The owner's container, and whether this call completed its creation. */
export interface ContainerOutcome {
  readonly container: ContainerRecord;
  readonly created: boolean;
}

/** The container that was found, and the lease that the call requested. */
export interface HeldContainer extends FoundContainer {
  readonly lease: Lease;
  /** When the lease was requested, by this host's clock. */
  readonly requestedAt: number;
}

/** A container that this call completes. */
export interface Creation extends HeldContainer {
  readonly progress: StartProgress;
}

/** How long the release of a lease may take at the end of a call. */
export const releaseMs = 2_000;
