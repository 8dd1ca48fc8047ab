import { ReconcileError } from '../errors/repository.ts';
import type { LabelledPod, PodIdentity } from '../pods/pod-remover.ts';
import type { ContainerRecord, VolumeRecord } from '../repository/records.ts';
import type { AbortOptions } from '../runtime/options.ts';
import type { ReapPlan } from '../runtime/reap-plan.ts';
import type { ReapOptions, ReapResult } from '../runtime/reap-result.ts';
import type { LeftBehind } from '../telemetry/upkeep-metrics.ts';
import { archiveGraceMs, sweepArchives } from './archive-sweep.ts';
import { sweepKeys } from './key-sweep.ts';
import type { ReaperComponents } from './reaper-components.ts';
import { RowBatches } from './row-batches.ts';
import { maxUnderWay, type Places, type SweepContext, sweepRows } from './row-sweep.ts';
import { SlidingWindow } from './sliding-window.ts';
import { TimeBudget } from './time-budget.ts';
import { findUnknownPods } from './unknown-pods.ts';
import { volumePlaces } from './volume-places.ts';

export interface PassOptions extends ReapOptions {
  /** @defaultValue true */
  readonly findUnknown?: boolean | undefined;
}

/** How many containers are read at once. Their rows may be large. */
const containerPageSize = 1_000;
const volumePageSize = 10_000;
/** How many rows a plan has of each kind. */
const planSize = 1_000;

type Counts = { -readonly [Count in Exclude<keyof ReapResult, 'complete'>]: number };

/** The state of a pass. The signal of the context also aborts when the budget is spent. */
interface Pass extends SweepContext {
  readonly counts: Counts;
  /** The numbers of unused objects that were found and have not been deleted. */
  readonly left: { -readonly [Kind in keyof LeftBehind]: number };
  /** Stops statements that delete rows: the caller's signal only, so that deleted rows are counted. */
  readonly caller: AbortOptions;
}

/**
 * Deletes unneeded containers and volumes: the pod first and the row last, so that after a crash in
 * between the row shows the remaining work. Then deletes the pods without a row, such as one whose
 * creation was delayed until its row was deleted, and the config maps of agents that no pod uses. Archives
 * are deleted like containers, and their stores are searched for keys without a row on request.
 */
export class Reaper {
  readonly #components: ReaperComponents;

  constructor(components: ReaperComponents) {
    this.#components = components;
  }

  /**
   * Runs one pass. A failed deletion does not stop the others. Searches for pods without a row, and
   * for config maps, unless `findUnknown` is false, because that requires a list of all pods. The
   * pass begins with that list: if it fails, nothing is marked and nothing is deleted.
   *
   * @throws ReconcileError - after the pass, with all failures
   */
  async reap(options: PassOptions = {}): Promise<ReapResult> {
    const { tracing, workerName } = this.#components;
    return await tracing.span('reaper.pass', { workerName }, () => this.#reap(options), options);
  }

  async #reap({ budgetMs, signal, ...options }: PassOptions): Promise<ReapResult> {
    const { clock } = this.#components;
    using budget = new TimeBudget(budgetMs, clock, { signal });
    const pass = this.#newPass(budget.signal, { signal });
    const { counts } = pass;
    const complete = await this.#run(pass, options).then(
      () => true,
      (error: unknown) => {
        if (budget.hasCaused(error)) return false;
        throw error;
      },
    );
    this.#components.emit({ kind: 'reaped', ...counts, complete, failures: pass.failures.length });
    this.#throwFailures(pass);
    if (complete) this.#components.upkeep?.reaped(counts);
    return { ...counts, complete };
  }

  /**
   * Lists the archive stores, and deletes keys without an archive that are older than a day.
   *
   * @throws ReconcileError - after the sweep, with all failures
   */
  async sweepStores(options: AbortOptions = {}): Promise<Pick<ReapResult, 'deletedKeys'>> {
    const { tracing, workerName } = this.#components;
    return await tracing.span('store.sweep', { workerName }, () => this.#sweepStores(options), options);
  }

  async #sweepStores({ signal }: AbortOptions): Promise<Pick<ReapResult, 'deletedKeys'>> {
    const pass = this.#newPass(signal, { signal });
    await this.#sweepKeys(pass);
    this.#throwFailures(pass);
    return { deletedKeys: pass.counts.deletedKeys };
  }

  /** Returns what `reap` would delete now. Deletes and marks nothing. */
  async plan(options: AbortOptions = {}): Promise<ReapPlan> {
    const { queries, workerName, hijackGraceMs, keeping, oldAgents, archives } = this.#components;
    const rows = await queries.findReapable(workerName, planSize, { ...options, hijackGraceMs, ...keeping });
    const unknownPods = await findUnknownPods(this.#components, options);
    const configMaps = await oldAgents.find(options);
    return {
      ...rows,
      unknownPods: unknownPods.map(({ podName, handle }) => ({ podName, handle })),
      configMaps: configMaps.map(({ name, createdAt }) => ({ name, createdAt })),
      archives:
        (await archives?.rows.findReapable(workerName, planSize, { ...options, graceMs: archiveGraceMs })) ?? [],
    };
  }

  #newPass(signal: AbortSignal | undefined, caller: AbortOptions): Pass {
    const counts = {
      deletedPods: 0,
      deletedContainers: 0,
      deletedVolumes: 0,
      deletedConfigMaps: 0,
      deletedArchives: 0,
      deletedKeys: 0,
    };
    const left = { pods: 0, configMaps: 0 };
    return { signal, caller, failures: [], counts, left, logger: this.#components.logger };
  }

  async #run(pass: Pass, { findUnknown = true, sweepStores = false }: PassOptions): Promise<void> {
    const { containers, caches, workerName, finishedOwnerTtlMs } = this.#components;
    const unknownPods = findUnknown ? await this.#findUnknownPods(pass) : [];
    await containers.pruneFinishedOwners(workerName, finishedOwnerTtlMs, { signal: pass.signal });
    await this.#components.reservations.prune(workerName, { signal: pass.signal });
    await this.#sweepContainers(pass);
    await caches?.rows.limit(workerName, caches.limits, { signal: pass.signal });
    await this.#sweepVolumes(pass);
    // Swept after the volumes, whose rows are the references.
    await this.#sweepArchives(pass);
    await this.#removeUnknown(unknownPods, pass);
    if (findUnknown) await this.#removeConfigMaps(pass);
    if (sweepStores) await this.#sweepKeys(pass);
    pass.signal?.throwIfAborted();
    if (findUnknown) this.#components.upkeep?.leftBehind(pass.left);
  }

  async #findUnknownPods({ signal, failures }: Pass): Promise<readonly LabelledPod[]> {
    try {
      return await findUnknownPods(this.#components, { signal });
    } catch (error) {
      signal?.throwIfAborted();
      throw this.#failed([...failures, error]);
    }
  }

  async #sweepContainers(pass: Pass): Promise<void> {
    const { containers, pods, workerName, hijackGraceMs, keeping } = this.#components;
    const { counts, caller } = pass;
    const identity = ({ podName, podUid: uid }: ContainerRecord): PodIdentity => ({ podName, uid });
    const places: Places<ContainerRecord> = {
      findMissing: async (rows, options) => await pods.findMissing(rows.map(identity), options),
      remove: async ({ podName, handle, podUid: uid }, options) => {
        if (await pods.remove(podName, handle, { ...options, uid })) counts.deletedPods += 1;
      },
    };
    const deletion = {
      deleteAll: async (handles: readonly string[]) => {
        const deleted = await containers.deleteAll(handles, caller);
        counts.deletedContainers += deleted.handles.length;
        counts.deletedVolumes += deleted.volumes;
        return deleted.handles;
      },
      delete: async (handle: string) => {
        const volumes = await containers.delete(handle, caller);
        counts.deletedContainers += 1;
        counts.deletedVolumes += volumes;
      },
    };
    const find = async (limit: number, options: AbortOptions): Promise<readonly ContainerRecord[]> =>
      await containers.findDestroyable(workerName, limit, { ...options, hijackGraceMs, ...keeping });
    const batches = new RowBatches(deletion, pass);
    await sweepRows({ pageSize: containerPageSize, find, placesOf: () => places, batches }, pass);
  }

  async #sweepVolumes(pass: Pass): Promise<void> {
    const { volumes, stores, workerName } = this.#components;
    const { counts, caller } = pass;
    const deletion = {
      deleteAll: async (handles: readonly string[]) => {
        const deleted = await volumes.deleteAll(handles, caller);
        counts.deletedVolumes += deleted.length;
        return deleted;
      },
      delete: async (handle: string) => {
        await volumes.delete(handle, caller);
        counts.deletedVolumes += 1;
      },
    };
    const find = async (limit: number, options: AbortOptions): Promise<readonly VolumeRecord[]> =>
      await volumes.findDestroyable(workerName, limit, options);
    const placesOf = volumePlaces(stores, () => {
      counts.deletedPods += 1;
    });
    const batches = new RowBatches(deletion, pass);
    await sweepRows({ pageSize: volumePageSize, find, placesOf, batches }, pass);
  }

  async #sweepArchives(pass: Pass): Promise<void> {
    const { archives, workerName } = this.#components;
    if (archives === undefined) return;
    const { installationId, rows, stores } = archives;
    const deleted = (count: number): void => {
      pass.counts.deletedArchives += count;
    };
    await sweepArchives({ workerName, installationId, archives: rows, stores }, { ...pass, deleted });
  }

  async #sweepKeys(pass: Pass): Promise<void> {
    const { archives, clock } = this.#components;
    if (archives === undefined) return;
    const { installationId, rows, stores } = archives;
    const deleted = (): void => {
      pass.counts.deletedKeys += 1;
    };
    await sweepKeys({ installationId, archives: rows, stores, clock }, { ...pass, deleted });
  }

  async #removeUnknown(
    unknown: readonly LabelledPod[],
    { signal, failures, counts, left, logger }: Pass,
  ): Promise<void> {
    const window = new SlidingWindow(maxUnderWay);
    left.pods = unknown.length;
    for (const { podName, handle, uid } of unknown) {
      if (signal?.aborted === true) break;
      logger.warn('pod without a row', { podName, handle });
      await window.begin(async () => {
        try {
          if (await this.#components.pods.remove(podName, handle, { uid, signal })) counts.deletedPods += 1;
          left.pods -= 1;
        } catch (error) {
          if (signal?.aborted !== true) failures.push(error);
        }
      });
    }
    await window.end();
    signal?.throwIfAborted();
  }

  async #removeConfigMaps({ signal, failures, counts, left, logger }: Pass): Promise<void> {
    const { oldAgents } = this.#components;
    try {
      const found = await oldAgents.find({ signal });
      left.configMaps = found.length;
      for (const configMap of found) {
        const isDeleted = await oldAgents.remove(configMap, { signal });
        left.configMaps -= 1;
        if (!isDeleted) continue;
        counts.deletedConfigMaps += 1;
        logger.info('config map of an old agent deleted', { name: configMap.name });
      }
    } catch (error) {
      signal?.throwIfAborted();
      failures.push(error);
    }
  }

  #throwFailures({ failures }: Pass): void {
    if (failures.length > 0) throw this.#failed(failures);
  }

  #failed(failures: readonly unknown[]): ReconcileError {
    return new ReconcileError(`reaper pass of worker ${this.#components.workerName}`, failures);
  }
}
