import { RepositoryUnavailableError } from '../errors/repository.ts';
import type { AbortOptions } from '../runtime/options.ts';

/** Deletes rows of one kind. */
export interface RowDeletion {
  /** Deletes those of the rows that it can, in one statement. Returns their handles. */
  readonly deleteAll: (handles: readonly string[]) => Promise<readonly string[]>;
  /** Deletes one row, or throws the reason why it cannot. */
  readonly delete: (handle: string) => Promise<void>;
}

interface WaitingRow extends Pick<PromiseWithResolvers<void>, 'resolve' | 'reject'> {
  readonly handle: string;
}

const batchSize = 1_000;
/** The number of consecutive rows without a response of the database before the batch stops. */
const maxUnavailable = 2;

/**
 * Deletes rows in batches. A row that arrives alone is deleted at once. Rows that arrive in the same
 * turn of the event loop, or while a statement runs, are deleted together.
 */
export class RowBatches {
  readonly #rows: RowDeletion;
  /** When it aborts, no further statement begins. */
  readonly #signal: AbortSignal | undefined;
  #waiting: WaitingRow[] = [];
  #isRunning = false;

  constructor(rows: RowDeletion, { signal }: AbortOptions) {
    this.#rows = rows;
    this.#signal = signal;
  }

  /** Resolves when the row no longer exists. Rejects with the reason why it cannot be deleted. */
  async delete(handle: string): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting.push({ handle, resolve, reject });
    if (!this.#isRunning) void this.#run();
    await promise;
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    // Rows of the same turn of the event loop belong to the same batch, such as those of pods whose
    // ends the watch has reported together.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.slice(0, batchSize);
      this.#waiting = this.#waiting.slice(batchSize);
      // A row that cannot be deleted does not delay the batches.
      void this.#deleteEach(await this.#deleteTogether(batch));
    }
    this.#isRunning = false;
  }

  /** Returns the rows that the statement has not deleted; all of them if it has failed. */
  async #deleteTogether(batch: readonly WaitingRow[]): Promise<readonly WaitingRow[]> {
    if (batch.length === 1) return batch;
    try {
      this.#signal?.throwIfAborted();
      const deleted = new Set(await this.#rows.deleteAll(batch.map(({ handle }) => handle)));
      for (const { handle, resolve } of batch) if (deleted.has(handle)) resolve();
      return batch.filter(({ handle }) => !deleted.has(handle));
    } catch {
      return batch;
    }
  }

  /** Deletes rows one by one, so that a row that cannot be deleted does not keep the others. */
  async #deleteEach(rows: readonly WaitingRow[]): Promise<void> {
    let unavailable = 0;
    let last: unknown;
    for (const { handle, resolve, reject } of rows) {
      try {
        if (unavailable >= maxUnavailable) throw last;
        this.#signal?.throwIfAborted();
        await this.#rows.delete(handle);
        unavailable = 0;
        resolve();
      } catch (error) {
        unavailable = error instanceof RepositoryUnavailableError ? unavailable + 1 : 0;
        last = error;
        reject(error);
      }
    }
  }
}
