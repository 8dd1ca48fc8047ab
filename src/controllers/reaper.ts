import { ReconcileError, StoreNotConfiguredError } from '../errors/repository.ts';
import type { LabelledPod } from '../pods/pod-remover.ts';
import type { ContainerQueries } from '../repository/container-queries.ts';
import type { ContainerRepository } from '../repository/container-repository.ts';
import type { ContainerRecord, VolumeRecord } from '../repository/records.ts';
import type { VolumeRepository } from '../repository/volume-repository.ts';
import type { AbortOptions, Logger } from '../runtime/options.ts';
import type { ReapPlan, UnknownPod } from '../runtime/reap-plan.ts';
import type { ReapResult } from '../runtime/worker.ts';
import type { ArtifactStore } from '../stores/artifact-store.ts';

export interface ReaperComponents {
  readonly workerName: string;
  readonly containers: ContainerRepository;
  readonly queries: Pick<ContainerQueries, 'findReapable' | 'unknownHandles'>;
  readonly volumes: VolumeRepository;
  readonly pods: PodRemoval;
  readonly stores: ReadonlyMap<string, ArtifactStore>;
  readonly logger: Logger;
  /**
   * How long a container is kept after the last mark of a hijack, in milliseconds. A host that died
   * leaves a mark.
   */
  readonly hijackGraceMs: number;
  /** How long the record of an owner that has finished for good is kept, in milliseconds. */
  readonly finishedOwnerTtlMs: number;
}

export interface ReapOptions extends AbortOptions {
  /** @defaultValue true */
  readonly findUnknown?: boolean | undefined;
}

/** Deletes pods and waits until they no longer exist. */
export interface PodRemoval {
  /** Returns all pods of the worker that are not being deleted. Never a part of them. */
  list(options?: AbortOptions): Promise<readonly LabelledPod[]>;
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

/** How many rows are read at once. */
const pageSize = 200;
/** How many deletions are under way at most. Most of them wait for the end of a pod. */
const maxUnderWay = 1_000;
/** How many rows a plan has of each kind, and how many pods are looked up at once. */
const partSize = 1_000;

/**
 * Deletes unneeded containers and volumes: the pod first and the row last, so that after a crash in
 * between the row shows the remaining work. Then deletes the pods without a row, such as one whose
 * creation was delayed until its row was deleted. A row is inserted before its pod is created, so a
 * pod that was listed before the database was asked is not one that is about to get a row.
 */
export class Reaper {
  readonly #components: ReaperComponents;

  constructor(components: ReaperComponents) {
    this.#components = components;
  }

  /**
   * Runs one pass. A failed deletion does not stop the others. Pods without a row are looked for
   * unless `findUnknown` is false, because that takes a list of all pods.
   *
   * @throws ReconcileError - after the pass, with all failures
   */
  async reap({ findUnknown = true, ...options }: ReapOptions = {}): Promise<ReapResult> {
    const { containers, volumes, workerName, hijackGraceMs, finishedOwnerTtlMs } = this.#components;
    await containers.pruneFinishedOwners(workerName, finishedOwnerTtlMs, options);
    const failures: unknown[] = [];
    let deletedPods = 0;
    let deletedVolumes = 0;
    const deletedContainers = await this.#drain(
      (skip) => containers.findDestroyable(workerName, pageSize + skip, { ...options, hijackGraceMs }),
      failures,
      options,
      async (container) => {
        if (await this.#removePod(container, options)) deletedPods += 1;
        const volumesOfIt = await containers.delete(container.handle, options);
        deletedVolumes += volumesOfIt;
      },
    );
    const deletedArtifacts = await this.#drain(
      (skip) => volumes.findDestroyable(workerName, pageSize + skip, options),
      failures,
      options,
      async (volume) => {
        if (await this.#removeVolume(volume, options)) deletedPods += 1;
        await volumes.delete(volume.handle, options);
      },
    );
    if (findUnknown) deletedPods += await this.#removeUnknown(failures, options);
    if (failures.length > 0) throw new ReconcileError(`reaper pass of worker ${workerName}`, failures);
    return { deletedPods, deletedContainers, deletedVolumes: deletedVolumes + deletedArtifacts };
  }

  /** Returns what `reap` would delete now. Deletes and marks nothing. */
  async plan(options: AbortOptions = {}): Promise<ReapPlan> {
    const { queries, workerName, hijackGraceMs } = this.#components;
    const rows = await queries.findReapable(workerName, partSize, { ...options, hijackGraceMs });
    const unknownPods: UnknownPod[] = [];
    for await (const pods of this.#findUnknown(options))
      unknownPods.push(...pods.map(({ podName, handle }) => ({ podName, handle })));
    return { ...rows, unknownPods };
  }

  /** Yields the pods without a row, in parts. */
  async *#findUnknown(options: AbortOptions): AsyncGenerator<readonly LabelledPod[], void, undefined> {
    const { pods, queries } = this.#components;
    const listed = await pods.list(options);
    for (let from = 0; from < listed.length; from += partSize) {
      const some = listed.slice(from, from + partSize);
      const handles = some.map(({ handle }) => handle);
      const unknown = new Set(await queries.unknownHandles(handles, options));
      yield some.filter(({ handle }) => unknown.has(handle));
    }
  }

  /**
   * Deletes rows until each was tried once. A row whose deletion takes long does not delay the
   * others. Returns the number of deleted rows.
   */
  async #drain<Row extends { readonly handle: string }>(
    find: (skip: number) => Promise<readonly Row[]>,
    failures: unknown[],
    { signal }: AbortOptions,
    destroy: (row: Row) => Promise<void>,
  ): Promise<number> {
    const tried = new Set<string>();
    const underWay = new Set<Promise<void>>();
    let [deleted, failed] = [0, 0];
    const attempt = async (row: Row): Promise<void> => {
      try {
        await destroy(row);
        deleted += 1;
      } catch (error) {
        failed += 1;
        if (signal?.aborted === true) return;
        this.#components.logger.warn('not reaped', { handle: row.handle, error });
        failures.push(error);
      }
    };
    try {
      for (;;) {
        // Rows that are under way or have failed are found again.
        const rows = (await find(underWay.size + failed)).filter(({ handle }) => !tried.has(handle));
        if (rows.length === 0 && underWay.size === 0) return deleted;
        for (const row of rows) {
          tried.add(row.handle);
          const attempting: Promise<void> = attempt(row).finally(() => underWay.delete(attempting));
          underWay.add(attempting);
          if (underWay.size >= maxUnderWay) await Promise.race(underWay);
        }
        if (rows.length === 0) await Promise.all(underWay);
        signal?.throwIfAborted();
      }
    } finally {
      await Promise.all(underWay);
    }
  }

  /** Deletes the pods without a row. A failure to list them, or to find their rows, deletes none. */
  async #removeUnknown(failures: unknown[], options: AbortOptions): Promise<number> {
    const { pods, logger } = this.#components;
    let deleted = 0;
    try {
      for await (const unknown of this.#findUnknown(options)) {
        const removals = unknown.map(async ({ podName, handle, uid }) => {
          logger.warn('pod without a row', { podName, handle });
          if (await pods.remove(podName, handle, { ...options, uid })) deleted += 1;
        });
        for (const outcome of await Promise.allSettled(removals))
          if (outcome.status === 'rejected') failures.push(outcome.reason);
      }
    } catch (error) {
      failures.push(error);
    }
    options.signal?.throwIfAborted();
    return deleted;
  }

  async #removePod({ podName, handle, podUid }: ContainerRecord, { signal }: AbortOptions): Promise<boolean> {
    return await this.#components.pods.remove(podName, handle, { uid: podUid, signal });
  }

  async #removeVolume(volume: VolumeRecord, options: AbortOptions): Promise<boolean> {
    const store = this.#components.stores.get(volume.store);
    if (store === undefined) throw new StoreNotConfiguredError(volume.store);
    return await store.delete(volume.location, options);
  }
}
