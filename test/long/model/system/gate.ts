import { ChangeSignal } from '../../../../src/internal/change-signal.ts';

/** What happens to a call that waits at the gate. */
export type Outcome =
  /** It takes effect, and its answer arrives. */
  | 'done'
  /** It fails without an effect. */
  | 'refused'
  /** It takes effect, and its answer is lost. */
  | 'lost'
  /** Its answer is lost. It takes effect at a later step, also after a crash of its replica. */
  | 'late';

/** A call to the database, the API, an agent or a store. */
export interface Call<T> {
  /** The incarnation of a replica that makes the call. `undefined`: nothing waits for its answer. */
  readonly caller: string | undefined;
  readonly name: string;
  readonly kind: 'statement' | 'api' | 'agent' | 'store' | 'event';
  readonly effect: () => T | Promise<T>;
  /** Returns the error of a call without an answer. */
  readonly failure?: (() => Error) | undefined;
  readonly signal?: AbortSignal | undefined;
}

interface Waiting {
  readonly call: Call<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * Where every call of a replica waits until the model lets it through, one at a time. So the model
 * decides the order of all effects, and whether answers arrive.
 */
export class Gate {
  #waiting: Waiting[] = [];
  readonly #stopped = new Set<string>();
  readonly #crashed = new Set<string>();
  /** The faults of calls by their kind, as long as an outage lasts. */
  refuses: (call: Call<unknown>) => Error | undefined = () => undefined;
  /** Called after each effect. */
  performed: (call: Call<unknown>) => void | Promise<void> = () => undefined;
  /**
   * On a real cluster, calls do not wait: returns what happens to each. Statements take effect one
   * after the other.
   */
  outcomeOf: ((call: Call<unknown>) => Outcome) | undefined;
  #statements: Promise<unknown> = Promise.resolve();
  readonly #resumed = new ChangeSignal();
  /** Called when a caller receives an error. */
  failed: (call: Call<unknown>) => void = () => undefined;

  /** The calls that may proceed. */
  get ready(): readonly Call<unknown>[] {
    return this.#ready().map(({ call }) => call);
  }

  /** Resolves with the result of the call, when the model lets it through. */
  async pass<T>(call: Call<T>): Promise<T> {
    call.signal?.throwIfAborted();
    return await new Promise<T>((resolve, reject) => {
      const waiting: Waiting = { call, resolve: resolve as (value: unknown) => void, reject };
      this.#waiting.push(waiting);
      call.signal?.addEventListener('abort', () => this.#abandon(waiting), { once: true });
      if (this.outcomeOf !== undefined) void this.#proceed(waiting, this.outcomeOf(call));
    });
  }

  /** Lets a call through unless its replica has crashed. */
  async #proceed(waiting: Waiting, outcome: Outcome): Promise<void> {
    const { caller = '', kind } = waiting.call;
    while (this.#stopped.has(caller)) await this.#resumed.wait();
    if (!this.#waiting.includes(waiting)) return;
    this.#take(waiting);
    if (kind !== 'statement') {
      await this.#settle(waiting, outcome);
      return;
    }
    this.#statements = this.#statements.then(() => this.#settle(waiting, outcome));
    await this.#statements;
  }

  /** Lets a call through. Returns its name, or `undefined` if no call is ready. */
  async release(pick: number, outcome: Outcome): Promise<string | undefined> {
    const ready = this.#ready();
    const waiting = ready[pick % Math.max(1, ready.length)];
    if (waiting === undefined) return undefined;
    this.#take(waiting);
    const { call } = waiting;
    const isRefused = await this.#settle(waiting, outcome);
    return `${call.name} ${isRefused ? 'refused by an outage' : outcome}`;
  }

  /** Performs and answers a call. Returns whether an outage has refused it. */
  async #settle({ call, resolve, reject }: Waiting, outcome: Outcome): Promise<boolean> {
    const refusal = call.caller === undefined ? undefined : this.refuses(call);
    const failure = refusal ?? call.failure?.();
    const answers = (): boolean => !this.#crashed.has(call.caller ?? '');
    const fail = (error: unknown): void => {
      if (!answers()) return;
      this.failed(call);
      reject(error);
    };
    if (refusal !== undefined || (outcome === 'refused' && failure !== undefined)) fail(failure);
    else if (outcome === 'late' && failure !== undefined) {
      this.#waiting.push(orphan(call));
      fail(failure);
    } else
      await this.#perform(call).then((value) => {
        if (outcome === 'lost' && failure !== undefined) fail(failure);
        else if (answers()) resolve(value);
      }, fail);
    return refusal !== undefined;
  }

  /** Lets no call of this replica through before `resume`. */
  suspend(caller: string): void {
    this.#stopped.add(caller);
  }

  resume(caller: string): void {
    this.#stopped.delete(caller);
    this.#resumed.notify();
  }

  /**
   * No call of this replica ever returns. Those that `lands` selects take effect later, if they are
   * requests; the others never do.
   */
  crash(caller: string, lands: (index: number) => boolean): void {
    this.#crashed.add(caller);
    this.#stopped.delete(caller);
    const own = this.#waiting.filter(({ call }) => call.caller === caller);
    this.#waiting = this.#waiting.filter(({ call }) => call.caller !== caller);
    own
      .filter(({ call }, index) => call.kind !== 'event' && lands(index))
      .forEach(({ call }) => {
        this.#waiting.push(orphan(call));
      });
  }

  async #perform(call: Call<unknown>): Promise<unknown> {
    try {
      return await call.effect();
    } finally {
      await this.performed(call);
    }
  }

  #ready(): Waiting[] {
    return this.#waiting.filter(({ call: { caller } }) => {
      if (caller === undefined) return true;
      return !this.#stopped.has(caller) && !this.#crashed.has(caller);
    });
  }

  #take(waiting: Waiting): void {
    this.#waiting = this.#waiting.filter((other) => other !== waiting);
  }

  /** The request is on its way: an aborted call may still take effect. */
  #abandon(waiting: Waiting): void {
    if (!this.#waiting.includes(waiting)) return;
    this.#take(waiting);
    if (waiting.call.kind !== 'event') this.#waiting.push(orphan(waiting.call));
    waiting.reject(waiting.call.signal?.reason);
  }
}

/** The call without a caller. A failure of its effect has no reader. */
function orphan(call: Call<unknown>): Waiting {
  const name = `${call.name} (late)`;
  return { call: { ...call, caller: undefined, name, signal: undefined }, resolve: ignore, reject: ignore };
}

function ignore(): void {
  // Nothing waits for it.
}
