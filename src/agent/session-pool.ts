import { ClosedError } from '../errors/caller.ts';
import type { AbortOptions, Clock, Logger } from '../runtime/options.ts';
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

/** The connections to one agent: opened when they are needed, kept for a while when they are not. */
export class SessionPool {
  readonly #options: SessionPoolOptions;
  readonly #closing = new AbortController();
  readonly #busy = new Map<AgentSession, Held>();
  /** The longest idle first. */
  #idle: Idle[] = [];

  constructor(options: SessionPoolOptions) {
    this.#options = options;
  }

  /** An idle session, or a new one. `fresh`: surely a new one. Rejects with the signal's reason, or what connecting fails with. */
  async acquire({ signal, fresh = false }: AbortOptions & { readonly fresh?: boolean } = {}): Promise<PooledSession> {
    const closing = this.#closing.signal;
    const either = signal === undefined ? closing : AbortSignal.any([signal, closing]);
    either.throwIfAborted();
    const idle = fresh ? undefined : this.#idle.pop();
    idle?.taken.abort();
    const held = idle ?? (await this.#open(either));
    this.#busy.set(held.session, held);
    return { ...held, reused: idle !== undefined, release: () => this.#onIdle(held.session) };
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
    if (this.#idle.length < this.#options.maxIdle) this.#keep(held);
    else session.close(new ClosedError('the idle connection'));
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
    this.#busy.delete(session);
    this.#idle = this.#idle.filter((idle) => {
      if (idle.session === session) idle.taken.abort();
      return idle.session !== session;
    });
  }
}
