import type { ArchiveService } from '../../archives/archive-service.ts';
import { ClosedError } from '../../errors/caller.ts';
import { RepositoryUnavailableError } from '../../errors/repository.ts';
import { VolumeChangedError } from '../../errors/store.ts';
import type { ArchiveRepository } from '../../repository/archive-repository.ts';
import type { ContainerRepository } from '../../repository/container-repository.ts';
import type { ArchiveReference, VolumeRecord } from '../../repository/records.ts';
import type { VolumeRepository } from '../../repository/volume-repository.ts';
import type { AbortOptions, Logger } from '../../runtime/options.ts';
import type { UnsavedOutput } from '../../runtime/process.ts';
import type { SaveOutputs } from '../../stores/stores-options.ts';
import type { Tracing } from '../../telemetry/tracing.ts';
import { receivedOf } from '../volumes/received-content.ts';

/** Which outputs are saved, and where. */
export interface OutputSaving {
  /** The name of the store of outputs. */
  readonly store: string;
  readonly when: SaveOutputs;
  /** How long a result waits for its outputs while the store is unavailable, in milliseconds. */
  readonly budgetMs: number;
}

export interface OutputSaverComponents extends OutputSaving {
  readonly containers: Pick<ContainerRepository, 'volumesOf'>;
  readonly volumes: Pick<VolumeRepository, 'lookup'>;
  readonly archives: Pick<ArchiveService, 'save'>;
  readonly rows: Pick<ArchiveRepository, 'markUnsaved'>;
  /** Runs idempotent work on the database, and retries it after retryable errors. */
  readonly retry: <T>(work: () => Promise<T>, options: AbortOptions) => Promise<T>;
  /** Runs the work of a call that `Worker.close` aborts and awaits. */
  readonly holding: <T>(work: (signal: AbortSignal) => Promise<T>, options: AbortOptions) => Promise<T>;
  readonly tracing: Tracing;
  readonly logger: Logger;
}

/** A process that has ended. */
export interface EndedCommand {
  /** The handle of the container. */
  readonly handle: string;
  readonly processId: string;
  readonly exitStatus: number;
}

/** How often a volume is saved if another process of the container changes it during each save. */
const maxTries = 3;

/** Saves the outputs of a container when one of its processes has ended. */
export class OutputSaver {
  readonly #components: OutputSaverComponents;

  constructor(components: OutputSaverComponents) {
    this.#components = components;
  }

  /**
   * Saves all outputs of the container in parallel. Resolves with those that could not be saved
   * within the budget, which are marked unsaved. Several hosts that save for one process save once.
   * The signal stops the saves.
   *
   * @throws RepositoryUnavailableError - the database does not answer; the agent keeps the result
   */
  async save(command: EndedCommand, options: AbortOptions): Promise<readonly UnsavedOutput[]> {
    const { when, holding, tracing } = this.#components;
    if (when === 'never') return [];
    if (when === 'success' && command.exitStatus !== 0) return [];
    const { handle: containerHandle, processId } = command;
    return await holding(
      (signal) =>
        tracing.span('outputs.save', { containerHandle, processId }, () => this.#saveAll(command, signal), { signal }),
      options,
    );
  }

  async #saveAll(command: EndedCommand, signal: AbortSignal): Promise<readonly UnsavedOutput[]> {
    const { containers, rows, retry: persist, logger } = this.#components;
    const { handle, processId } = command;
    const volumes = await persist(() => containers.volumesOf(handle, { signal }), { signal });
    const retrying = this.#warnOnce(command);
    const saves = volumes
      .filter(({ kind }) => kind === 'output')
      .map((volume) => this.#saveOne(volume, { processId, retrying, signal }));
    // All saves end before the first failure is reported.
    await Promise.allSettled(saves);
    const unsaved = (await Promise.all(saves)).flatMap((failed) => failed ?? []);
    if (unsaved.length === 0) return unsaved;
    for (const { mountPath, cause } of unsaved)
      logger.warn('output not saved', { handle, processId, mountPath, error: cause });
    const handles = unsaved.map((output) => output.handle);
    await persist(() => rows.markUnsaved(handles, { signal }), { signal });
    return unsaved;
  }

  /** Returns the output if it could not be saved. */
  async #saveOne(volume: VolumeRecord, saving: Saving): Promise<UnsavedOutput | undefined> {
    try {
      await this.#saveNewest(volume, saving);
      return undefined;
    } catch (cause) {
      saving.signal.throwIfAborted();
      if (cause instanceof RepositoryUnavailableError || cause instanceof ClosedError) throw cause;
      return { mountPath: volume.mountPath ?? '', handle: volume.handle, cause };
    }
  }

  /**
   * Saves again if another process of the container saved the volume during the save.
   *
   * @throws VolumeChangedError - others have done so each time
   */
  async #saveNewest(volume: VolumeRecord, { processId, retrying, signal }: Saving): Promise<void> {
    const { volumes, archives, retry: persist, store, budgetMs } = this.#components;
    const { workerName, handle } = volume;
    const purpose = `output:${handle}:${processId}`;
    let current: VolumeRecord | undefined = volume;
    let candidates: readonly ArchiveReference[] = [];
    for (let tries = 1; current?.state === 'created' && tries <= maxTries; tries += 1) {
      const { location, archive } = current;
      const received = receivedOf(current);
      const terms = { budgetMs, signal, retrying, candidates, purpose: tries === 1 ? purpose : undefined };
      const saved = await archives.save({ handle, location, archive, received }, store, terms);
      if (saved.isContent) return;
      candidates = [saved.archive];
      current = await persist(() => volumes.lookup(workerName, handle, { signal }), { signal });
    }
    if (current?.state === 'created') throw new VolumeChangedError(handle);
  }

  /**
   * Warns once in the log, and not on the step's stderr: a host that continues a process counts the
   * bytes of its own copy, which must not have others.
   */
  #warnOnce({ handle, processId }: EndedCommand): (error: unknown) => void {
    const { budgetMs, logger } = this.#components;
    let hasWarned = false;
    return (error) => {
      if (!hasWarned) logger.warn('result waits for its outputs', { handle, processId, budgetMs, error });
      hasWarned = true;
    };
  }
}

interface Saving {
  readonly processId: string;
  readonly retrying: (error: unknown) => void;
  readonly signal: AbortSignal;
}
