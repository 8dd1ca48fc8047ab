import { type BatchObservableResult, type Meter, metrics, ValueType } from '@opentelemetry/api';

/** What a worker has, as the database and its stores report it. */
export interface Inventory {
  /** By state. */
  readonly containers: Readonly<Record<string, number>>;
  /** By state. */
  readonly volumes: Readonly<Record<string, number>>;
  readonly stores: readonly StoredInventory[];
}

/** What a store holds. */
export interface StoredInventory {
  readonly store: string;
  /** Stored bytes of archives that are ready, by the database. */
  readonly archivedBytes: number;
  /** The size and the room of the store. `undefined`: the store does not report it, or did not answer. */
  readonly usage?: { readonly totalBytes: number; readonly freeBytes: number } | undefined;
}

export interface InventoryTerms {
  /** Resolves with the present inventory. The signal aborts when the worker closes. */
  readonly measure: (signal: AbortSignal) => Promise<Inventory>;
  /** Whether this process reports it. */
  readonly isLeader: () => boolean;
  readonly now: () => number;
  readonly onError: (error: unknown) => void;
}

/** An inventory of this age is measured again at a collection. */
const maxAgeMs = 30_000;

/**
 * Records the inventory of a worker as OpenTelemetry metrics, which `docs/metrics.md` lists. A
 * collection does not wait: it reports the values of the last measurement, and starts the next one
 * if they are old. Without an SDK nothing is measured.
 *
 * @param meter - the meter of the host's OpenTelemetry SDK
 */
export function inventoryMetrics(
  terms: InventoryTerms,
  meter: Meter = metrics.getMeter('kubernetes-worker'),
): Disposable {
  const latest = new LatestInventory(terms);
  const gauges = inventoryGauges.map(({ name, unit, description, values }) => ({
    instrument: meter.createObservableGauge(name, { valueType: ValueType.INT, unit, description }),
    values,
  }));
  const instruments = gauges.map(({ instrument }) => instrument);
  // One callback for all instruments, so that a collection has the values of one measurement.
  const observe = (result: BatchObservableResult): void => {
    const found = latest.read();
    if (found === undefined) return;
    for (const { instrument, values } of gauges)
      for (const [value, labels] of values(found)) result.observe(instrument, value, labels);
  };
  meter.addBatchObservableCallback(observe, instruments);
  return {
    [Symbol.dispose]: () => {
      meter.removeBatchObservableCallback(observe, instruments);
      latest.close();
    },
  };
}

interface Measured extends Inventory {
  readonly measuredAt: number;
}

/** The last inventory that was measured while this process leads. */
class LatestInventory {
  readonly #terms: InventoryTerms;
  readonly #closing = new AbortController();
  #latest: Measured | undefined;
  #triedAt = Number.NEGATIVE_INFINITY;
  #isMeasuring = false;

  constructor(terms: InventoryTerms) {
    this.#terms = terms;
  }

  read(): Measured | undefined {
    if (!this.#terms.isLeader()) {
      this.#latest = undefined;
      this.#triedAt = Number.NEGATIVE_INFINITY;
      return undefined;
    }
    if (!this.#isMeasuring && this.#terms.now() - this.#triedAt >= maxAgeMs) void this.#measure();
    return this.#latest;
  }

  close(): void {
    this.#closing.abort();
  }

  async #measure(): Promise<void> {
    const { signal } = this.#closing;
    const { measure, now, onError } = this.#terms;
    this.#isMeasuring = true;
    this.#triedAt = now();
    try {
      this.#latest = { ...(await measure(signal)), measuredAt: now() };
    } catch (error) {
      if (!signal.aborted) onError(error);
    } finally {
      this.#isMeasuring = false;
    }
  }
}

interface InventoryGauge {
  readonly name: string;
  readonly unit: string;
  readonly description: string;
  readonly values: (measured: Measured) => readonly (readonly [number, Record<string, string>])[];
}

const byState = (counts: Readonly<Record<string, number>>): readonly (readonly [number, Record<string, string>])[] =>
  Object.entries(counts).map(([state, count]) => [count, { state }]);

const inventoryGauges: readonly InventoryGauge[] = [
  {
    name: 'kubernetes_worker.containers',
    unit: '{container}',
    description: 'Containers of the worker in the database, by state; only the leader has it',
    values: ({ containers }) => byState(containers),
  },
  {
    name: 'kubernetes_worker.volumes',
    unit: '{volume}',
    description: 'Volumes of the worker in the database, by state; only the leader has it',
    values: ({ volumes }) => byState(volumes),
  },
  {
    name: 'kubernetes_worker.store.archived',
    unit: 'By',
    description: 'Stored bytes of archives that are ready, by store; only the leader has it',
    values: ({ stores }) => stores.map(({ store, archivedBytes }) => [archivedBytes, { store }]),
  },
  {
    name: 'kubernetes_worker.store.capacity',
    unit: 'By',
    description: 'Size of an archive store that reports it; only the leader has it',
    values: ({ stores }) =>
      stores.flatMap(({ store, usage }) => (usage === undefined ? [] : [[usage.totalBytes, { store }] as const])),
  },
  {
    name: 'kubernetes_worker.store.free',
    unit: 'By',
    description: 'Bytes that can still be written to an archive store that reports it; only the leader has it',
    values: ({ stores }) =>
      stores.flatMap(({ store, usage }) => (usage === undefined ? [] : [[usage.freeBytes, { store }] as const])),
  },
  {
    name: 'kubernetes_worker.inventory.timestamp',
    unit: 's',
    description: 'When containers, volumes and stores were measured last, since the epoch; only the leader has it',
    values: ({ measuredAt }) => [[Math.floor(measuredAt / 1000), {}]],
  },
];
