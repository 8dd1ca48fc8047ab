import { isKubernetesWorkerError, type Worker, type WorkerInfo } from '../../../index.ts';

/** The state of the worker, or why it is not known. */
export interface FoundInfo {
  readonly info: WorkerInfo | undefined;
  readonly error: { readonly code: string; readonly message: string } | null;
}

/** How long a result is used again, in milliseconds. */
const freshMs = 1_000;
/** How long it is used while the next read is under way: a database that is slow delays no request. */
const usableMs = 5_000;

/**
 * Reads the state of the worker from the database: at most once a second, and once at a time, for any
 * number of requests. While a read is under way, the last result is used until it is too old.
 */
export class RecentInfo {
  readonly #now: () => number;
  #worker: Pick<Worker, 'info'> | undefined;
  #last: FoundInfo | undefined;
  #lastAt = 0;
  #reading: Promise<FoundInfo> | undefined;

  /** @param now - returns the time in milliseconds, from any origin */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Returns the state of a worker. Before it is open, there is none. */
  async of(worker: Pick<Worker, 'info'> | undefined): Promise<FoundInfo> {
    if (worker === undefined) return { info: undefined, error: null };
    if (worker !== this.#worker) {
      this.#worker = worker;
      this.#last = this.#reading = undefined;
    }
    const ageMs = this.#now() - this.#lastAt;
    if (this.#last !== undefined && ageMs < freshMs) return this.#last;
    const reading = (this.#reading ??= this.#read(worker));
    if (this.#last === undefined || ageMs >= usableMs) return await reading;
    // A fault of this read is that of the next request, which has no result to use.
    reading.catch(ignore);
    return this.#last;
  }

  async #read(worker: Pick<Worker, 'info'>): Promise<FoundInfo> {
    try {
      const found = await read(worker);
      if (worker === this.#worker) [this.#last, this.#lastAt] = [found, this.#now()];
      return found;
    } catch (error) {
      if (worker === this.#worker) this.#last = undefined;
      throw error;
    } finally {
      if (worker === this.#worker) this.#reading = undefined;
    }
  }
}

async function read(worker: Pick<Worker, 'info'>): Promise<FoundInfo> {
  try {
    return { info: await worker.info(), error: null };
  } catch (error) {
    if (!isKubernetesWorkerError(error)) throw error;
    return { info: undefined, error: { code: error.code, message: error.message } };
  }
}

function ignore(): void {}
