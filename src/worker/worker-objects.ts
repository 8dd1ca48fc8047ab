import { InvalidSpecError } from '../errors/caller.ts';
import { StoreNotConfiguredError } from '../errors/repository.ts';
import type { ContainerRecord, VolumeRecord } from '../repository/records.ts';
import type { AbortOptions } from '../runtime/options.ts';
import type { VolumeMount } from '../runtime/volume.ts';
import type { ArtifactStore } from '../stores/artifact-store.ts';
import { isNowhere } from '../stores/nowhere.ts';
import { type ContainerFinding, PodContainer } from './pod-container.ts';
import type { PodWorkerComponents } from './pod-worker-components.ts';
import { OutputSaver } from './process/output-saver.ts';
import { saverOf, TaskCacheSaver } from './process/task-cache-saver.ts';
import { ArtifactVolumes, type ArtifactVolumesComponents } from './volumes/artifact-volumes.ts';
import type { SealedContentComponents } from './volumes/sealed-content.ts';
import { StoredVolume } from './volumes/stored-volume.ts';

/** Runs work that `Worker.close` aborts and awaits. */
export type Holding = <T>(work: (signal: AbortSignal) => Promise<T>, options: AbortOptions) => Promise<T>;

/** Creates the objects that a worker returns: containers, volumes and mounts, each from its row. */
export class WorkerObjects {
  readonly #components: PodWorkerComponents;
  readonly #holding: Holding;
  readonly #outputs: OutputSaver | undefined;
  readonly #taskCaches: TaskCacheSaver | undefined;

  constructor(components: PodWorkerComponents, holding: Holding) {
    this.#components = components;
    this.#holding = holding;
    this.#outputs = this.#outputSaver();
    this.#taskCaches = this.#taskCacheSaver();
  }

  /** Returns what creates the artifact volumes of the worker. */
  artifactVolumes(): ArtifactVolumes {
    const { repository, archives, temporary, pods, streams, events } = this.#components;
    const archiveOf: ArtifactVolumesComponents['archiveOf'] = async (artifact, options) =>
      artifact instanceof StoredVolume ? await artifact.archiveIn(archives, options) : undefined;
    return new ArtifactVolumes({
      temporary,
      pods,
      streams,
      volume: (record) => this.volume(record),
      rows: archives === undefined ? undefined : repository.archives,
      archiveOf,
      emit: events.emit,
    });
  }

  container(record: ContainerRecord, finding: ContainerFinding): PodContainer {
    const { repository, cluster, agents, pods, logs, newId, clock, logger, hijackGraceMs } = this.#components;
    const { events, tracing, traceEnvironment } = this.#components;
    return new PodContainer(record, finding, {
      containers: repository.containers,
      queries: repository.queries,
      agent: () => agents.client(record.podName, record.handle),
      cluster,
      pods,
      logs,
      newId,
      clock,
      logger,
      hijackGraceMs,
      outputs: saverOf(record, this.#outputs, this.#taskCaches),
      mounts: (handle, options) => this.mounts(handle, options),
      emit: events.emit,
      tracing,
      traceEnvironment,
    });
  }

  /** Returns a container that a caller has looked up, after a check of whether its pod exists. */
  async lookedUpContainer(record: ContainerRecord, options: AbortOptions): Promise<PodContainer> {
    const { pods } = this.#components;
    const podIsMissing = !(await pods.exists(record.podName, { ...options, uid: record.podUid }));
    return this.container(record, { isLookedUp: true, podIsMissing });
  }

  volume(record: VolumeRecord): StoredVolume {
    const { repository, pods, caches, streams, archives, logger, events, tracing } = this.#components;
    const retry = (work: () => Promise<void>, options: AbortOptions): Promise<void> => pods.retry(work, options);
    return new StoredVolume(record, {
      volumes: repository.volumes,
      store: this.#store(record),
      streams,
      retry,
      caches,
      holding: this.#holding,
      emit: events.emit,
      tracing,
      archives,
      sealed: this.#sealed(),
      logger,
    });
  }

  /** Returns a volume that a caller has looked up. Returns `undefined` if its content no longer exists. */
  async lookedUpVolume(record: VolumeRecord, options: AbortOptions): Promise<StoredVolume | undefined> {
    const isSealed = record.archive !== undefined || isNowhere(record.location);
    if (isSealed && this.#components.archives !== undefined) return this.volume(record);
    return (await this.#store(record).exists(record.location, options)) ? this.volume(record) : undefined;
  }

  /** Returns the volumes of a container with their paths. */
  async mounts(handle: string, options: AbortOptions): Promise<readonly VolumeMount[]> {
    const volumes = await this.#components.repository.containers.volumesOf(handle, options);
    return volumes.map((record) => this.#mount(record));
  }

  #mount(record: VolumeRecord): VolumeMount {
    const { kind, mountPath = '', name } = record;
    if (kind === 'artifact')
      throw new InvalidSpecError('kind', `volume ${record.handle} is an artifact and cannot be mounted`);
    return { volume: this.volume(record), mountPath, kind, name };
  }

  /** Returns the store of a volume's place. A volume without a place is changed in a temporary one. */
  #store({ store: name, location }: VolumeRecord): ArtifactStore {
    const { stores, archives, temporary } = this.#components;
    const store = isNowhere(location) && archives !== undefined ? temporary.store : stores.get(name);
    if (store === undefined) throw new StoreNotConfiguredError(name);
    return store;
  }

  /** Returns the components of volumes without a place; `undefined` for a worker without archive stores. */
  #sealed(): SealedContentComponents | undefined {
    const { repository, archives, temporary, unavailableBudgetMs: budgetMs, reapSoon, clock } = this.#components;
    if (archives === undefined) return undefined;
    return { volumes: repository.volumes, archives, temporary, budgetMs, reapSoon, clock };
  }

  #outputSaver(): OutputSaver | undefined {
    const { repository, pods, archives, saving, logger, tracing } = this.#components;
    if (archives === undefined || saving === undefined) return undefined;
    return new OutputSaver({
      ...saving,
      containers: repository.containers,
      volumes: repository.volumes,
      archives,
      rows: repository.archives,
      retry: (work, options) => pods.retry(work, options),
      holding: this.#holding,
      tracing,
      logger,
    });
  }

  #taskCacheSaver(): TaskCacheSaver | undefined {
    const { repository, pods, caches, podStore, logger, events } = this.#components;
    if (!caches.haveStore) return undefined;
    return new TaskCacheSaver({
      containers: repository.containers,
      caches,
      podStore,
      retry: (work, options) => pods.retry(work, options),
      holding: this.#holding,
      emit: events.emit,
      logger,
    });
  }
}
