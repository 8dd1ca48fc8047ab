import { isKubernetesWorkerError, type Worker, type WorkerInfo } from '../../../index.ts';

/** The state of the worker, or why it is not known. */
export interface FoundInfo {
  readonly info: WorkerInfo | undefined;
  readonly error: { readonly code: string; readonly message: string } | null;
}

/** How long a result is used again, in milliseconds. */
const freshMs = 1_000;

/**
 * Reads the state of the worker from the database: at most once a second, and once at a time, however
 * many requests want it.
 */
export class RecentInfo {
  readonly #now: () => number;
  #worker: Pick<Worker, 'info'> | undefined;
  #found: Promise<FoundInfo> = Promise.resolve({ info: undefined, error: null });
  #until = 0;

  /** @param now - returns the time in milliseconds, from any origin */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Returns the state of a worker. Before it is open, there is none. */
  async of(worker: Pick<Worker, 'info'> | undefined): Promise<FoundInfo> {
    if (worker === undefined) return { info: undefined, error: null };
    if (worker !== this.#worker || this.#now() >= this.#until) {
      this.#worker = worker;
      this.#until = Number.POSITIVE_INFINITY;
      this.#found = read(worker).finally(() => {
        this.#until = this.#now() + freshMs;
      });
    }
    return await this.#found;
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
