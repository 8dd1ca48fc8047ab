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
  /** The maximum number of idle sessions that the pool keeps. */
  readonly maxIdle: number;
  /** How long the pool keeps an idle session, in milliseconds. */
  readonly idleMs: number;
}

/** A session for one operation. */
export interface PooledSession {
  readonly session: AgentSession;
  readonly hello: AgentHello;
  /** Whether the session is not newly opened: its connection may be dead. */
  readonly reused: boolean;
  /** Returns the session to the pool if no operation was begun on it. */
  readonly release: () => void;
}

interface OpenSession {
  readonly session: AgentSession;
  readonly hello: AgentHello;
}

interface IdleSession extends OpenSession {
  /** Aborts the idle timeout. */
  readonly timeout: AbortController;
}

/** A pending `acquire`. It receives the first session that is released or opened. */
interface Waiter {
  readonly resolve: (open: OpenSession, reused: boolean) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * The maximum number of connections that the pool opens at a time. An exec costs the cluster a
 * hundred times as much as a short operation, so that reusing a few connections serves a burst of
 * operations sooner than opening one connection for each.
 */
const MAX_OPENING = 4;

/** Opens sessions with one agent on demand, and keeps idle ones for a while. */
export class SessionPool {
  readonly #options: SessionPoolOptions;
  readonly #closing = new AbortController();
  readonly #busy = new Map<AgentSession, OpenSession>();
  /** In the order in which the sessions became idle. */
  #idle: IdleSession[] = [];
  /** In the order of the calls. */
  #waiting: Waiter[] = [];
  #opening: AbortController[] = [];
  #usedAt: number;

  constructor(options: SessionPoolOptions) {
    this.#options = options;
    this.#usedAt = options.clock.now();
  }

  /**
   * Resolves with an idle session or a new one; with `fresh`, always with a new one. Rejects with
   * the signal's reason or the connection's error.
   */
  async acquire({ signal, fresh = false }: AbortOptions & { readonly fresh?: boolean } = {}): Promise<PooledSession> {
    const closing = this.#closing.signal;
    const either = signal === undefined ? closing : AbortSignal.any([signal, closing]);
    either.throwIfAborted();
    this.#usedAt = this.#options.clock.now();
    if (fresh) return this.#use(await this.#open(either), false);
    const idle = this.#idle.pop();
    idle?.timeout.abort();
    return idle === undefined ? await this.#waitForSession(either) : this.#use(idle, true);
  }

  /**
   * When the last connection was closed or requested, in milliseconds since the epoch. `undefined`
   * while a connection is open or requested.
   */
  get idleSince(): number | undefined {
    const count = this.#busy.size + this.#idle.length + this.#waiting.length + this.#opening.length;
    return count === 0 ? this.#usedAt : undefined;
  }

  /** Aborts with the reason of `close`. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  /** Closes all sessions. Operations on them are lost for this reason. Idempotent. */
  close(reason: Error): void {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort(reason);
    for (const { session } of this.#idle) session.close(reason);
    for (const session of this.#busy.keys()) session.close(reason);
  }

  #use(open: OpenSession, reused: boolean): PooledSession {
    this.#busy.set(open.session, open);
    return { ...open, reused, release: () => this.#onIdle(open.session) };
  }

  async #waitForSession(signal: AbortSignal): Promise<PooledSession> {
    const { promise, resolve, reject } = Promise.withResolvers<PooledSession>();
    const waiter: Waiter = { resolve: (open, reused) => resolve(this.#use(open, reused)), reject };
    using _listener = addAbortListener(signal, () => {
      this.#waiting = this.#waiting.filter((other) => other !== waiter);
      if (this.#waiting.length === 0)
        for (const opening of this.#opening) opening.abort(new ClosedError('a connection that is no longer needed'));
      reject(signal.reason as Error);
    });
    this.#waiting.push(waiter);
    this.#openForWaiters();
    return await promise;
  }

  /** Opens connections for the waiting calls, up to the limit. */
  #openForWaiters(): void {
    while (this.#opening.length < Math.min(this.#waiting.length, MAX_OPENING)) void this.#openOne();
  }

  async #openOne(): Promise<void> {
    const opening = new AbortController();
    this.#opening.push(opening);
    const finish = (): void => {
      this.#opening = this.#opening.filter((other) => other !== opening);
    };
    try {
      const open = await this.#open(AbortSignal.any([opening.signal, this.#closing.signal]));
      finish();
      this.#assign(open, false);
    } catch (error) {
      finish();
      if (!opening.signal.aborted) this.#waiting.shift()?.reject(error);
    }
    this.#openForWaiters();
  }

  /** Assigns the session to the first waiting call, else keeps it idle or closes it. */
  #assign(open: OpenSession, reused: boolean): void {
    const waiter = this.#waiting.shift();
    if (waiter !== undefined) waiter.resolve(open, reused);
    else if (this.#idle.length < this.#options.maxIdle) this.#keep(open);
    else open.session.close(new ClosedError('the idle connection'));
  }

  async #open(signal: AbortSignal): Promise<OpenSession> {
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
    const open = this.#busy.get(session);
    if (open === undefined) return;
    this.#busy.delete(session);
    this.#assign(open, true);
    this.#openForWaiters();
  }

  #keep({ session, hello }: OpenSession): void {
    const timeout = new AbortController();
    this.#idle.push({ session, hello, timeout });
    const { clock, idleMs } = this.#options;
    clock.sleep(idleMs, { signal: timeout.signal }).then(
      () => {
        session.close(new ClosedError('the idle connection'));
      },
      () => undefined, // The session was acquired or closed.
    );
  }

  #onClosed(session: AgentSession): void {
    this.#usedAt = this.#options.clock.now();
    this.#busy.delete(session);
    this.#idle = this.#idle.filter((idle) => {
      if (idle.session === session) idle.timeout.abort();
      return idle.session !== session;
    });
  }
}
