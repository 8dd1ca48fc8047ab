import type { AbortOptions, Logger } from '../runtime/options.ts';
import type { RowBatches } from './row-batches.ts';
import { SlidingWindow } from './sliding-window.ts';

/** Where the bytes or the processes of rows are: the pods of containers, or a store. */
export interface Places<Row> {
  /** For each row, whether its place certainly does not exist. */
  readonly findMissing: (rows: readonly Row[], options: AbortOptions) => Promise<readonly boolean[]>;
  /** Resolves when the place of the row no longer exists. */
  readonly remove: (row: Row, options: AbortOptions) => Promise<void>;
}

/** The rows of one kind that a pass deletes. */
export interface SweptRows<Row> {
  /** How many rows are read at once. */
  readonly pageSize: number;
  /** Returns rows that are `destroying`, at most `limit`, oldest first. */
  readonly find: (limit: number, options: AbortOptions) => Promise<readonly Row[]>;
  readonly placesOf: (row: Row) => Places<Row>;
  readonly batches: RowBatches;
  /** The maximum number of concurrent deletions. @defaultValue `maxUnderWay` */
  readonly maxUnderWay?: number | undefined;
}

export interface SweepContext {
  /** When it aborts, the sweep begins nothing, and waits for no place. */
  readonly signal: AbortSignal | undefined;
  /** Receives the failures of rows. */
  readonly failures: unknown[];
  readonly logger: Logger;
}

/** The maximum number of concurrent deletions. Most of them wait for the end of a pod. */
export const maxUnderWay = 1_000;

/**
 * Deletes rows until each was tried once: the place first and the row last. A row whose deletion
 * takes long, or fails, delays no other.
 *
 * The order of a page is: find its rows, then look for their places. A place is created only for a
 * row that is `creating`, and a row that is found is `destroying` for good. So a place that exists
 * at all was created before the row was found, and an observation that begins afterwards shows it.
 * In the reverse order, a row could be inserted, get its pod and be marked between the two steps:
 * the list of places would lack a pod that exists. No observation shows a creation that was sent
 * while the row was `creating` and that takes effect later. Its caller deletes the pod when the row
 * refuses it, and the search for pods without a row finds what is left.
 */
export async function sweepRows<Row extends { readonly handle: string }>(
  kind: SweptRows<Row>,
  context: SweepContext,
): Promise<void> {
  await new RowSweep(kind, context).run();
}

class RowSweep<Row extends { readonly handle: string }> {
  readonly #kind: SweptRows<Row>;
  readonly #context: SweepContext;
  readonly #window: SlidingWindow;
  readonly #tried = new Set<string>();
  #failed = 0;

  constructor(kind: SweptRows<Row>, context: SweepContext) {
    this.#kind = kind;
    this.#context = context;
    this.#window = new SlidingWindow(kind.maxUnderWay ?? maxUnderWay);
  }

  async run(): Promise<void> {
    try {
      for (;;) {
        const rows = await this.#findPage();
        if (rows.length === 0 && this.#window.size === 0) return;
        for (const [places, group] of Map.groupBy(rows, this.#kind.placesOf)) await this.#sweep(places, group);
        if (rows.length === 0) await this.#window.end();
        this.#context.signal?.throwIfAborted();
      }
    } finally {
      await this.#window.end();
    }
  }

  async #findPage(): Promise<readonly Row[]> {
    const { pageSize, find } = this.#kind;
    const { signal } = this.#context;
    // Rows that are under way or have failed are found again.
    const rows = await find(pageSize + this.#window.size + this.#failed, { signal });
    return rows.filter(({ handle }) => !this.#tried.has(handle));
  }

  async #sweep(places: Places<Row>, rows: readonly Row[]): Promise<void> {
    const { signal } = this.#context;
    for (const { handle } of rows) this.#tried.add(handle);
    const missing = await this.#findMissing(places, rows);
    if (missing === undefined) return;
    await Promise.all(rows.map(async (row, index) => missing[index] === true && (await this.#delete(row))));
    for (const [index, row] of rows.entries()) {
      if (missing[index] === true) continue;
      signal?.throwIfAborted();
      await this.#window.begin(() => this.#delete(row, places));
    }
  }

  /** Returns `undefined` if the places cannot be determined: then all rows stay as they are. */
  async #findMissing(places: Places<Row>, rows: readonly Row[]): Promise<readonly boolean[] | undefined> {
    const { signal, failures, logger } = this.#context;
    try {
      return await places.findMissing(rows, { signal });
    } catch (error) {
      signal?.throwIfAborted();
      logger.warn('not reaped', { rows: rows.length, error });
      failures.push(error);
      this.#failed += rows.length;
      return undefined;
    }
  }

  async #delete(row: Row, places?: Places<Row>): Promise<void> {
    const { signal, failures, logger } = this.#context;
    try {
      await places?.remove(row, { signal });
      await this.#kind.batches.delete(row.handle);
    } catch (error) {
      this.#failed += 1;
      if (signal?.aborted === true) return;
      logger.warn('not reaped', { handle: row.handle, error });
      failures.push(error);
    }
  }
}
