import { ClosedError, InvalidSpecError } from '../errors/caller.ts';
import { VolumeDisappearedError } from '../errors/repository.ts';
import { abortable } from '../internal/abort.ts';
import { CallsUnderWay } from '../internal/calls-under-way.ts';
import { ignoreErrors } from '../internal/ignored-errors.ts';
import { checkOwner } from '../repository/field-checks.ts';
import type { ArtifactVolume, CopyArtifactOptions, CreateArtifactOptions } from '../runtime/artifacts.ts';
import type { InvalidateCacheOptions } from '../runtime/caches.ts';
import type { CheckOptions, CheckReport } from '../runtime/check.ts';
import type { Container, ContainerOwner, ContainerSpec } from '../runtime/container.ts';
import type { ContainerPage, ContainerQuery } from '../runtime/container-query.ts';
import type { ImageExplanation, ImageRequest } from '../runtime/image.ts';
import type { AbortOptions } from '../runtime/options.ts';
import type {
  ArtifactLocality,
  Reservation,
  ReservationCount,
  ReservationRequest,
  WorkerFacts,
} from '../runtime/placement.ts';
import type { ProcessPage, ProcessQuery } from '../runtime/process-query.ts';
import type { ReapPlan } from '../runtime/reap-plan.ts';
import type { ReapOptions, ReapResult } from '../runtime/reap-result.ts';
import type { UsageGroup, UsageQuery } from '../runtime/retention.ts';
import type { ReviewTokenOptions, TokenReview } from '../runtime/token-review.ts';
import type { Artifact, Volume } from '../runtime/volume.ts';
import type { VolumePage, VolumeQuery } from '../runtime/volume-query.ts';
import type {
  ContainerWithMounts,
  FindOrCreateContainerOptions,
  OwnerFinishedOptions,
  Worker,
} from '../runtime/worker.ts';
import type {
  ControllerState,
  DependencyState,
  Leadership,
  ProbeOptions,
  WorkerLoad,
} from '../runtime/worker-controllers.ts';
import type { EventsOptions, WorkerEvent } from '../runtime/worker-events.ts';
import type { HeartbeatOptions, LandOptions, WorkerInfo } from '../runtime/worker-lifecycle.ts';
import type { OpenSpan } from '../telemetry/tracing.ts';
import { copyArtifactOptions, createArtifactOptions } from '../validation/artifact-shapes.ts';
import { invalidateCacheOptions } from '../validation/cache-shapes.ts';
import { checkOptions } from '../validation/check-shapes.ts';
import { abortOptions, artifact as artifactShape, text } from '../validation/common-shapes.ts';
import {
  containerOwner,
  containerQuery,
  containerSpec,
  findOrCreateOptions,
  imageRequest,
  ownerFinishedOptions,
  reapOptions,
  usageQuery,
} from '../validation/container-shapes.ts';
import { checkBufferSize, eventsOptions } from '../validation/event-shapes.ts';
import { heartbeatOptions, landOptions, probeOptions } from '../validation/lifecycle-shapes.ts';
import { artifactHandles, checkReservationTime, reservationRequest } from '../validation/placement-shapes.ts';
import { processQuery } from '../validation/process-shapes.ts';
import { checkShape } from '../validation/shape.ts';
import { reviewTokenOptions } from '../validation/token-shapes.ts';
import { volumeQuery } from '../validation/volume-shapes.ts';
import type { ContainerCreationComponents, ContainerOutcome, ContainerRequest } from './creation/container-creation.ts';
import { findOrCreateContainer } from './creation/find-or-create-container.ts';
import { finishOwner } from './finish-owner.ts';
import { placeholderVolumes, planContainer } from './plan/container-plan.ts';
import { checkPrivileged } from './plan/privileged-teams.ts';
import { specDigest } from './plan/spec-digest.ts';
import type { PodWorkerComponents } from './pod-worker-components.ts';
import { processPage } from './process/process-page.ts';
import type { ArtifactVolumes } from './volumes/artifact-volumes.ts';
import { storedHandleOf } from './volumes/stored-volume.ts';
import { WorkerObjects } from './worker-objects.ts';

/**
 * A worker that uses a cluster and a database, which are injected. `KubernetesWorker.open`
 * assembles it.
 *
 * @public
 */
export class PodWorker implements Worker {
  readonly name: string;
  readonly #components: PodWorkerComponents;
  /** The calls that hold a row. `close` aborts them and waits until they have released it. */
  readonly #holding = new CallsUnderWay();
  readonly #objects: WorkerObjects;
  readonly #artifacts: ArtifactVolumes;
  #closing: Promise<void> | undefined;

  /** @internal */
  constructor(components: PodWorkerComponents) {
    this.name = components.name;
    this.#components = components;
    this.#objects = new WorkerObjects(components, (work, options) => this.#hold(work, options));
    this.#artifacts = this.#objects.artifactVolumes();
  }

  async findOrCreateContainer(
    owner: ContainerOwner,
    spec: ContainerSpec,
    options: FindOrCreateContainerOptions = {},
  ): Promise<ContainerWithMounts> {
    const { repository, launcher, events, tracing, privilegedTeams } = this.#open();
    checkOwnerShape(owner);
    checkShape('spec', containerSpec, spec);
    checkShape('options', findOrCreateOptions, options);
    const plan = planContainer(spec);
    const { metadata = {}, delegate, stderr, onSpecChange = 'reject' } = options;
    using _ignored = ignoreErrors([stderr]);
    checkPrivileged(spec, metadata, privilegedTeams);
    const requested = { owner, plan, specDigest: specDigest(plan), onSpecChange, metadata, delegate, stderr };
    const { image = '' } = plan.pod;
    launcher.check({ ...plan.pod, image, volumes: placeholderVolumes(plan), metadata });
    const components: ContainerCreationComponents = {
      ...this.#components,
      workerName: this.name,
      containers: repository.containers,
      volume: (record) => this.#objects.volume(record),
      emit: events.emit,
    };
    const facts = { workerName: this.name, pipelineName: metadata.pipelineName, taskName: metadata.stepName };
    const { container, created } = await this.#holding.run(
      (signal) =>
        tracing.span('container.create', facts, (span) => findOrCreate(requested, components, span, { signal }), {
          signal,
        }),
      options,
    );
    return {
      container: this.#objects.container(container, { isLookedUp: false, podIsMissing: false }),
      mounts: await this.#objects.mounts(container.handle, options),
      created,
    };
  }

  async explainImage(request: ImageRequest): Promise<ImageExplanation> {
    const { images } = this.#open();
    checkShape('request', imageRequest, request);
    return images.explain(request);
  }

  async createVolumeForArtifact(teamId: string, options: AbortOptions = {}): Promise<ArtifactVolume> {
    this.#open();
    checkShape('teamId', text, teamId);
    checkShape('options', abortOptions, options);
    if (teamId === '') throw new InvalidSpecError('teamId', 'is empty');
    const { artifactTimeToLiveMs: ttlMs, artifactStore: store } = this.#components;
    const terms = { teamId, ttlMs, store };
    return await this.#holding.run((signal) => this.#artifacts.create(terms, { signal }), options);
  }

  async createArtifact(volume: Volume, options: CreateArtifactOptions = {}): Promise<ArtifactVolume> {
    this.#open();
    checkShape('volume', artifactShape, volume);
    checkShape('options', createArtifactOptions, options);
    return await this.#copy(volume, options);
  }

  async copyArtifact(artifact: Artifact, options: CopyArtifactOptions): Promise<ArtifactVolume> {
    this.#open();
    checkShape('artifact', artifactShape, artifact);
    checkShape('options', copyArtifactOptions, options);
    return await this.#copy(artifact, options);
  }

  async #copy(artifact: Artifact, options: CreateArtifactOptions): Promise<ArtifactVolume> {
    const { artifactTimeToLiveMs, artifactStore } = this.#components;
    const { store = artifactStore, teamId: given, ttlMs = artifactTimeToLiveMs } = options;
    if (given === '') throw new InvalidSpecError('teamId', 'is empty');
    if (!this.#hasStore(store)) throw new InvalidSpecError('store', 'is not a store of this worker');
    return await this.#holding.run(async (signal) => {
      const handle = storedHandleOf(artifact);
      const held = handle === undefined ? [] : [handle];
      const teamId = given ?? (await this.#teamOf(artifact, { signal }));
      return await this.#artifacts.copy(artifact, { teamId, ttlMs, store }, held, { signal });
    }, options);
  }

  #hasStore(name: string): boolean {
    const { temporary, archiveStores } = this.#components;
    return name === temporary.store.name || archiveStores.has(name);
  }

  /** Returns the team of a volume of this worker, or of its container. */
  async #teamOf(artifact: Artifact, options: AbortOptions): Promise<string | undefined> {
    const { repository } = this.#components;
    const { handle, source } = artifact;
    if (storedHandleOf(artifact) === undefined || source !== this.name) return undefined;
    const record = await repository.volumes.lookup(this.name, handle, options);
    if (record === undefined) throw new VolumeDisappearedError(handle, this.name);
    if (record.containerHandle === undefined) return record.teamId;
    return (await repository.containers.lookup(this.name, record.containerHandle, options))?.metadata.team;
  }

  async lookupContainer(handle: string, options: AbortOptions = {}): Promise<Container | undefined> {
    const { repository } = this.#open();
    checkLookup(handle, options);
    const record = await repository.containers.lookup(this.name, handle, options);
    const isUsable = record?.state === 'created' || record?.state === 'kept';
    return isUsable ? await this.#objects.lookedUpContainer(record, options) : undefined;
  }

  async findContainer(owner: ContainerOwner, options: AbortOptions = {}): Promise<Container | undefined> {
    const { repository } = this.#open();
    checkOwnerShape(owner);
    checkShape('options', abortOptions, options);
    const record = await repository.queries.findCreated(this.name, owner, options);
    return record === undefined ? undefined : await this.#objects.lookedUpContainer(record, options);
  }

  async listContainers(query: ContainerQuery = {}, options: AbortOptions = {}): Promise<ContainerPage> {
    const { repository } = this.#open();
    checkShape('query', containerQuery, query);
    checkShape('options', abortOptions, options);
    const { containers, next } = await repository.queries.list(this.name, query, options);
    return { containers, ...(next === undefined ? {} : { next }) };
  }

  async listProcesses(query: ProcessQuery = {}, options: AbortOptions = {}): Promise<ProcessPage> {
    const { repository, agents, pods, clock } = this.#open();
    checkShape('query', processQuery, query);
    checkShape('options', abortOptions, options);
    return await processPage(this.name, query, { queries: repository.queries, agents, pods, clock }, options);
  }

  async listVolumes(query: VolumeQuery = {}, options: AbortOptions = {}): Promise<VolumePage> {
    const { repository } = this.#open();
    checkShape('query', volumeQuery, query);
    checkShape('options', abortOptions, options);
    return await repository.volumes.list(this.name, query, options);
  }

  async lookupVolume(handle: string, options: AbortOptions = {}): Promise<Volume | undefined> {
    const { repository } = this.#open();
    checkLookup(handle, options);
    const record = await repository.volumes.lookup(this.name, handle, options);
    return record?.state === 'created' ? await this.#objects.lookedUpVolume(record, options) : undefined;
  }

  async findResourceCache(key: string, options: AbortOptions = {}): Promise<Volume | undefined> {
    const { caches } = this.#open();
    checkShape('key', text, key);
    checkShape('options', abortOptions, options);
    const found = await caches.findResourceCache(key, options);
    return found === undefined ? undefined : this.#objects.volume(found);
  }

  async invalidateResourceCache(key: string, options: InvalidateCacheOptions = {}): Promise<boolean> {
    const { caches } = this.#open();
    checkShape('key', text, key);
    checkShape('options', invalidateCacheOptions, options);
    return await caches.invalidateResourceCache(key, options);
  }

  async ownerFinished(owner: ContainerOwner, options: OwnerFinishedOptions = {}): Promise<void> {
    checkOwnerShape(owner);
    checkShape('options', ownerFinishedOptions, options);
    const components = this.#open();
    await finishOwner(this.name, owner, options, components);
    components.events.emit({ kind: 'owner-finished', owner, final: options.final ?? false });
    components.reapSoon();
  }

  async expireArtifact(handle: string, options: AbortOptions = {}): Promise<void> {
    checkLookup(handle, options);
    const { repository, reapSoon, events } = this.#open();
    const isArtifact = await repository.volumes.expire(this.name, handle, options);
    if (isArtifact) events.emit({ kind: 'artifact-expired', handle });
    reapSoon();
  }

  async reap(options: ReapOptions = {}): Promise<ReapResult> {
    checkShape('options', reapOptions, options);
    const { reaper, streams } = this.#open();
    await abortable(streams.settled(), options.signal);
    return await reaper.reap(options);
  }

  async planReap(options: AbortOptions = {}): Promise<ReapPlan> {
    checkShape('options', abortOptions, options);
    return await this.#open().reaper.plan(options);
  }

  async info(options: AbortOptions = {}): Promise<WorkerInfo> {
    checkShape('options', abortOptions, options);
    return await this.#open().registrar.info(options);
  }

  async listWorkers(options: AbortOptions = {}): Promise<readonly WorkerInfo[]> {
    checkShape('options', abortOptions, options);
    return await this.#open().registrar.list(options);
  }

  async heartbeat(options: HeartbeatOptions = {}): Promise<WorkerInfo | undefined> {
    checkShape('options', heartbeatOptions, options);
    return await this.#open().registrar.heartbeat(options);
  }

  async land(options: LandOptions = {}): Promise<WorkerInfo> {
    checkShape('options', landOptions, options);
    return await this.#open().registrar.land(options);
  }

  async resume(options: AbortOptions = {}): Promise<WorkerInfo> {
    checkShape('options', abortOptions, options);
    return await this.#open().registrar.resume(options);
  }

  async retire(options: AbortOptions = {}): Promise<WorkerInfo> {
    checkShape('options', abortOptions, options);
    return await this.#open().registrar.retire(options);
  }

  async pruneWorker(name: string, options: AbortOptions = {}): Promise<boolean> {
    checkShape('name', text, name);
    checkShape('options', abortOptions, options);
    return await this.#open().registrar.prune(name, options);
  }

  async usage(query: UsageQuery, options: AbortOptions = {}): Promise<readonly UsageGroup[]> {
    checkShape('query', usageQuery, query);
    checkShape('options', abortOptions, options);
    return await this.#open().repository.queries.usage(this.name, query, options);
  }

  leadership(): Leadership {
    return this.#components.controllers.leadership;
  }

  controllers(): readonly ControllerState[] {
    return this.#components.controllers.states;
  }

  load(): WorkerLoad {
    return this.#components.load();
  }

  async stopControllers(): Promise<void> {
    await this.#components.controllers.stop();
  }

  async probe(options: ProbeOptions = {}): Promise<readonly DependencyState[]> {
    checkShape('options', probeOptions, options);
    return await this.#open().probe(options);
  }

  async reviewToken(token: string, options: ReviewTokenOptions): Promise<TokenReview> {
    const { cluster } = this.#open();
    checkShape('token', text, token);
    checkShape('options', reviewTokenOptions, options);
    if (token === '') throw new InvalidSpecError('token', 'is empty');
    const { permission, audiences, ...rest } = options;
    const user = await cluster.reviewToken(token, audiences ?? [], rest);
    if (user === undefined) return { user, allowed: false };
    const { verb, resource, apiGroup = '' } = permission;
    const reviewed = { verb, resource, apiGroup, isClusterWide: false };
    return { user: user.username, allowed: await cluster.mayUser(user, reviewed, rest) };
  }

  async check(options: CheckOptions = {}): Promise<CheckReport> {
    checkShape('options', checkOptions, options);
    const { check } = this.#open();
    return await this.#holding.run((signal) => check({ ...options, signal }), options);
  }

  async facts(options: AbortOptions = {}): Promise<WorkerFacts> {
    checkShape('options', abortOptions, options);
    return await this.#open().placement.facts(options);
  }

  async locality(handles: readonly string[], options: AbortOptions = {}): Promise<ArtifactLocality> {
    checkShape('handles', artifactHandles, handles);
    checkShape('options', abortOptions, options);
    return await this.#open().placement.locality(handles, options);
  }

  async reserve(request: ReservationRequest, options: AbortOptions = {}): Promise<Reservation | undefined> {
    checkShape('request', reservationRequest, request);
    checkReservationTime(request);
    checkShape('options', abortOptions, options);
    return await this.#open().placement.reserve(request, options);
  }

  async reservations(options: AbortOptions = {}): Promise<readonly ReservationCount[]> {
    checkShape('options', abortOptions, options);
    return await this.#open().placement.reservations(options);
  }

  events(options: EventsOptions = {}): AsyncIterable<WorkerEvent> {
    checkShape('options', eventsOptions, options);
    checkBufferSize(options);
    return this.#open().events.subscribe(options);
  }

  async close(): Promise<void> {
    this.#closing ??= this.#close();
    await this.#closing;
  }

  async #close(): Promise<void> {
    const { close, events } = this.#components;
    try {
      await this.#holding.close(new ClosedError(`worker ${this.name}`));
      await close();
    } finally {
      events.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Runs work that `close` aborts and awaits. */
  async #hold<T>(work: (signal: AbortSignal) => Promise<T>, options: AbortOptions): Promise<T> {
    this.#open();
    return await this.#holding.run(work, options);
  }

  /** @throws ClosedError */
  #open(): PodWorkerComponents {
    if (this.#closing !== undefined) throw new ClosedError(`worker ${this.name}`);
    return this.#components;
  }
}

/** Calls `findOrCreateContainer`, and completes its span. */
async function findOrCreate(
  requested: ContainerRequest,
  components: ContainerCreationComponents,
  span: OpenSpan,
  options: AbortOptions,
): Promise<ContainerOutcome> {
  const outcome = await findOrCreateContainer(requested, components, options);
  const { handle: containerHandle, podName } = outcome.container;
  span.set({ containerHandle, podName });
  return outcome;
}

function checkLookup(handle: string, options: AbortOptions): void {
  checkShape('handle', text, handle);
  checkShape('options', abortOptions, options);
}

function checkOwnerShape(owner: ContainerOwner): void {
  checkShape('owner', containerOwner, { owner });
  checkOwner(owner);
}
