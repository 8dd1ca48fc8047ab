import type { DatabasePool } from 'kubernetes-worker';

/** A statement for the process with the database. */
export interface StatementMessage {
  readonly kind: 'statement';
  readonly id: number;
  readonly text: string;
  readonly values: readonly unknown[];
}

/** The result of a statement. */
export interface ResultMessage {
  readonly kind: 'result';
  readonly id: number;
  readonly rows?: readonly unknown[] | undefined;
  readonly error?: { readonly message: string; readonly code: string | undefined } | undefined;
}

/**
 * A pool of one connection to the parent's database, so that this process's memory is the library's
 * alone.
 */
export class RemoteDatabase implements DatabasePool {
  readonly #send: (message: StatementMessage) => void;
  readonly #waiting = new Map<number, PromiseWithResolvers<{ rows: unknown[] }>>();
  #free: Promise<void> = Promise.resolve();
  #lastId = 0;

  constructor(send: (message: StatementMessage) => void) {
    this.#send = send;
  }

  async connect(): Promise<{ query(text: string, values: unknown[]): Promise<{ rows: unknown[] }>; release(): void }> {
    const before = this.#free;
    const released = Promise.withResolvers<void>();
    this.#free = released.promise;
    await before;
    return { query: (text, values) => this.#query(text, values), release: released.resolve };
  }

  answer({ id, rows, error }: ResultMessage): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error === undefined) waiting?.resolve({ rows: [...(rows ?? [])] });
    else waiting?.reject(Object.assign(new Error(error.message), { code: error.code }));
  }

  async #query(text: string, values: unknown[]): Promise<{ rows: unknown[] }> {
    const id = (this.#lastId += 1);
    const waiting = Promise.withResolvers<{ rows: unknown[] }>();
    this.#waiting.set(id, waiting);
    this.#send({ kind: 'statement', id, text, values });
    return await waiting.promise;
  }
}
