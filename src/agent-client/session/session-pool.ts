import { addAbortListener } from 'node:events';

import { ClosedError } from '../../errors/caller.ts';
import type { AbortOptions, Clock, Logger } from '../../runtime/options.ts';
import type { AgentHello } from './agent-hello.ts';
import { AgentSession, type SessionOptions } from './agent-session.ts';
import type { ByteConnection } from './byte-connection.ts';

export interface SessionPoolOptions extends Omit<SessionOptions, 'idle' | 'closed'> {
  readonly connect: (options: AbortOptions) => Promise<ByteConnection>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How many are kept while nothing uses them, */
  readonly maxIdle: number;
  /** and for how long, in milliseconds. */
  readonly idleMs: number;
}

/** A session for one operation. */
export interface PooledSession {
  readonly session: AgentSession;
  readonly hello: AgentHello;
  /** It was idle for a while, so nobody knows whether its connection still lives. */
  readonly reused: boolean;
  /** Gives it back where no operation was begun on it. */
  readonly release: () => void;
}

interface Held {
  readonly session: AgentSession;
  readonly hello: AgentHello;
}

interface Idle extends Held {
  /** Ends the wait for its last moment. */
  readonly taken: AbortController;
}

/** Somebody who needs a session: given one that is released or newly opened, whichever comes first. */
interface Waiter {
  readonly give: (held: Held, reused: boolean) => void;
  readonly fail: (error: unknown) => void;
}

/**
 * So many connections are opened at a time. An exec costs the cluster a hundred times what a short operation does, so that those who come all at once are served
 * sooner by the few that are there than by one for each.
 */
const maxOpening = 4;

/** The connections to one agent: opened when they are needed, kept for a while when they are not. */
export class SessionPool {
  readonly #options: SessionPoolOptions;
  readonly #closing = new AbortController();
  readonly #busy = new Map<AgentSession, Held>();
  /** The longest idle first. */
  #idle: Idle[] = [];
  /** The first come first. */
  #waiting: Waiter[] = [];
  #opening: AbortController[] = [];
  #usedAt: number;

  constructor(options: SessionPoolOptions) {
    this.#options = options;
    this.#usedAt = options.clock.now();
  }

  /** An idle session, or a new one. `fresh`: surely a new one. Rejects with the signal's reason, or what connecting fails with. */
  async acquire({ signal, fresh = false }: AbortOptions & { readonly fresh?: boolean } = {}): Promise<PooledSession> {
    const closing = this.#closing.signal;
    const either = signal === undefined ? closing : AbortSignal.any([signal, closing]);
    either.throwIfAborted();
    this.#usedAt = this.#options.clock.now();
    if (fresh) return this.#use(await this.#open(either), false);
    const idle = this.#idle.pop();
    idle?.taken.abort();
    return idle === undefined ? await this.#wait(either) : this.#use(idle, true);
  }

  /** When the last connection was closed, or asked for, in milliseconds since the epoch; `undefined`: there are some, or soon will be. */
  get idleSince(): number | undefined {
    const count = this.#busy.size + this.#idle.length + this.#waiting.length + this.#opening.length;
    return count === 0 ? this.#usedAt : undefined;
  }

  /** Aborted, with the reason, by `close`. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  /** Closes all, also those in use: their operations are lost, with `ClosedError`. Idempotent. */
  close(reason: Error): void {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort(reason);
    for (const { session } of this.#idle) session.close(reason);
    for (const session of this.#busy.keys()) session.close(reason);
  }

  #use(held: Held, reused: boolean): PooledSession {
    this.#busy.set(held.session, held);
    return { ...held, reused, release: () => this.#onIdle(held.session) };
  }

  async #wait(signal: AbortSignal): Promise<PooledSession> {
    const { promise, resolve, reject } = Promise.withResolvers<PooledSession>();
    const waiter: Waiter = { give: (held, reused) => resolve(this.#use(held, reused)), fail: reject };
    using _listener = addAbortListener(signal, () => {
      this.#waiting = this.#waiting.filter((other) => other !== waiter);
      if (this.#waiting.length === 0)
        for (const opening of this.#opening) opening.abort(new ClosedError('a connection that nobody waits for'));
      reject(signal.reason as Error);
    });
    this.#waiting.push(waiter);
    this.#review();
    return await promise;
  }

  /** Opens connections for those who wait. */
  #review(): void {
    while (this.#opening.length < Math.min(this.#waiting.length, maxOpening)) void this.#openForWaiting();
  }

  async #openForWaiting(): Promise<void> {
    const opening = new AbortController();
    this.#opening.push(opening);
    const over = (): void => {
      this.#opening = this.#opening.filter((other) => other !== opening);
    };
    try {
      const held = await this.#open(AbortSignal.any([opening.signal, this.#closing.signal]));
      over();
      this.#hand(held, false);
    } catch (error) {
      over();
      if (!opening.signal.aborted) this.#waiting.shift()?.fail(error);
    }
    this.#review();
  }

  /** To whoever waits, else it is kept for a while. */
  #hand(held: Held, reused: boolean): void {
    const waiter = this.#waiting.shift();
    if (waiter !== undefined) waiter.give(held, reused);
    else if (this.#idle.length < this.#options.maxIdle) this.#keep(held);
    else held.session.close(new ClosedError('the idle connection'));
  }

  async #open(signal: AbortSignal): Promise<Held> {
    const connection = await this.#options.connect({ signal });
    if (signal.aborted) {
      connection.close();
      throw signal.reason;
    }
    return await AgentSession.open(
      connection,
      {
        ...this.#options,
        idle: (session) => {
          this.#onIdle(session);
        },
        closed: (session) => {
          this.#onClosed(session);
        },
      },
      { signal },
    );
  }

  #onIdle(session: AgentSession): void {
    const held = this.#busy.get(session);
    if (held === undefined) return;
    this.#busy.delete(session);
    this.#hand(held, true);
    this.#review();
  }

  #keep({ session, hello }: Held): void {
    const taken = new AbortController();
    this.#idle.push({ session, hello, taken });
    const { clock, idleMs } = this.#options;
    clock.sleep(idleMs, { signal: taken.signal }).then(
      () => {
        session.close(new ClosedError('the idle connection'));
      },
      () => undefined, // It was taken.
    );
  }

  #onClosed(session: AgentSession): void {
    this.#usedAt = this.#options.clock.now();
    this.#busy.delete(session);
    this.#idle = this.#idle.filter((idle) => {
      if (idle.session === session) idle.taken.abort();
      return idle.session !== session;
    });
  }
}
