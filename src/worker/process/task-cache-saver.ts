import type { Caches } from '../../caches/caches.ts';
import type { EmitEvent } from '../../events/emit-event.ts';
import type { ContainerRepository } from '../../repository/container-repository.ts';
import type { ContainerRecord, VolumeRecord } from '../../repository/records.ts';
import type { TaskCacheStep } from '../../runtime/caches.ts';
import type { AbortOptions, Logger } from '../../runtime/options.ts';
import type { ArtifactStore } from '../../stores/artifact-store.ts';
import { containerSettings } from '../plan/container-settings.ts';
import type { EndedCommand, OutputSaver } from './output-saver.ts';

export interface TaskCacheSaverComponents {
  readonly containers: Pick<ContainerRepository, 'volumesOf'>;
  readonly caches: Pick<Caches, 'keepTaskCache'>;
  /** The store of containers' volumes. */
  readonly podStore: ArtifactStore;
  /** Runs idempotent work on the database, and retries it after retryable errors. */
  readonly retry: <T>(work: () => Promise<T>, options: AbortOptions) => Promise<T>;
  /** Runs the work of a call that `Worker.close` aborts and awaits. */
  readonly holding: <T>(work: (signal: AbortSignal) => Promise<T>, options: AbortOptions) => Promise<T>;
  readonly emit: EmitEvent;
  readonly logger: Logger;
}

/** Returns what saves outputs and task caches at the end of a container's processes, in parallel. */
export function saverOf(
  container: Pick<ContainerRecord, 'settings'>,
  outputs: Pick<OutputSaver, 'save'> | undefined,
  taskCaches: Pick<TaskCacheSaver, 'save'> | undefined,
): Pick<OutputSaver, 'save'> | undefined {
  const { taskCache: step } = containerSettings(container);
  if (taskCaches === undefined || step === undefined) return outputs;
  return {
    save: async (command, options) => {
      const caching = taskCaches.save(command, step, options);
      const saving = outputs?.save(command, options) ?? Promise.resolve([]);
      await Promise.allSettled([caching, saving]);
      await caching;
      return await saving;
    },
  };
}

/** Saves the task caches of a container when one of its processes has ended. */
export class TaskCacheSaver {
  readonly #components: TaskCacheSaverComponents;

  constructor(components: TaskCacheSaverComponents) {
    this.#components = components;
  }

  /**
   * Saves the folders of all caches in parallel, for every exit status. Of several builds of the
   * step, the last one wins. A cache that cannot be saved is reported, and never fails the step.
   * The signal stops the saves.
   */
  async save(
    command: Pick<EndedCommand, 'handle' | 'processId'>,
    step: TaskCacheStep,
    options: AbortOptions,
  ): Promise<void> {
    await this.#components.holding((signal) => this.#saveAll(command, step, signal), options);
  }

  async #saveAll(
    { handle, processId }: Pick<EndedCommand, 'handle' | 'processId'>,
    step: TaskCacheStep,
    signal: AbortSignal,
  ): Promise<void> {
    const { containers, retry } = this.#components;
    const volumes = await retry(() => containers.volumesOf(handle, { signal }), { signal });
    const folders = volumes.filter(({ kind }) => kind === 'cache');
    const saves = folders.map((folder) => this.#saveOne(folder, step, `cache:${folder.handle}:${processId}`, signal));
    await Promise.allSettled(saves);
    await Promise.all(saves);
  }

  async #saveOne(folder: VolumeRecord, step: TaskCacheStep, purpose: string, signal: AbortSignal): Promise<void> {
    const { caches, podStore: store, emit, logger } = this.#components;
    const { handle, mountPath: path = '', archive, location } = folder;
    const source = { handle, isArtifact: false, sizeBytes: undefined, archive, open: { store, location } };
    try {
      await caches.keepTaskCache(source, { ...step, path }, { purpose, signal });
    } catch (error) {
      signal.throwIfAborted();
      const message = error instanceof Error ? error.message : String(error);
      logger.warn('task cache not saved', { path, handle, error });
      emit({ kind: 'cache-not-saved', handle, cacheKind: 'task', reason: 'failed', message });
    }
  }
}
