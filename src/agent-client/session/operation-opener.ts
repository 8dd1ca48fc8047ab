import { randomUUID } from 'node:crypto';

import { ClosedError } from '../../errors/caller.ts';
import { HeartbeatTimeoutError, ProtocolViolationError } from '../../errors/connection.ts';
import { abortable } from '../../internal/abort.ts';
import type { AbortOptions } from '../../runtime/options.ts';
import { LostConnection } from '../wire/agent-error.ts';
import { type ControlObject, encodeControl, type Fields } from '../wire/control.ts';
import { type AgentHello, PROCESS_FATES_SINCE } from './agent-hello.ts';
import { AgentOperation, type OperationContext } from './agent-operation.ts';
import type { ConnectionLimits, ConnectionUse } from './connection-limits.ts';
import type { PooledSession, SessionPool } from './session-pool.ts';

/**
 * How long an operation has its place: until RESULT, until the agent has said OPENED (of an agent that does not, until OPEN has left), or until OPEN has left.
 */
export type PlaceUntil = 'answered' | 'opened' | 'sent';

/** What the opener needs beside its pool. */
export interface OpenerContext extends OperationContext {
  readonly limits: ConnectionLimits;
}

/**
 * Opens operations on the connections of a pool. Where an idle connection turns out to be dead before anything has happened on it, a new one is tried, once;
 * nothing else is tried again.
 */
export class OperationOpener {
  readonly #pool: SessionPool;
  readonly #context: OpenerContext;

  constructor(pool: SessionPool, context: OpenerContext) {
    this.#pool = pool;
    this.#context = context;
  }

  /** What the agent says of itself, which was just heard. */
  async hello({ signal }: AbortOptions): Promise<AgentHello> {
    return await this.#onLiving({ signal }, async ({ session, hello, reused, release }) => {
      try {
        if (reused) await abortable(session.heard(), signal);
      } finally {
        release();
      }
      return hello;
    });
  }

  /** Waits for a place for this use of a connection; resolves with the function that gives it back. */
  async enter(use: ConnectionUse, { signal }: AbortOptions): Promise<() => void> {
    const { closing } = this.#pool;
    return await this.#context.limits.enter(use, {
      signal: signal === undefined ? closing : AbortSignal.any([signal, closing]),
    });
  }

  /**
   * Does an operation without streams; resolves with the facts of its RESULT. A signal's abort cancels it.
   *
   * @param until - how long it has one of the places that all pods share. An operation that waits for something in the pod must not have one until it is answered.
   */
  async ask(open: ControlObject, options: AbortOptions, until: PlaceUntil = 'answered'): Promise<Fields> {
    const leave = await this.enter('control', options);
    try {
      const begun = (operation: AgentOperation, { protocol }: AgentHello): void => {
        if (until === 'opened' && protocol >= PROCESS_FATES_SINCE) void operation.whenOpened.then(leave, ignore);
        else if (until !== 'answered') leave();
      };
      const operation = await this.begin(open, () => new AgentOperation(this.#context), options, begun);
      try {
        return await abortable(operation.answer, options.signal);
      } finally {
        void operation.cancel();
      }
    } finally {
      leave();
    }
  }

  /** Begins an operation, and waits until the agent has taken it. A signal's abort cancels it. `begun` is called when OPEN has left. */
  async begin<O extends AgentOperation>(
    open: ControlObject,
    make: (hello: AgentHello) => O,
    options: AbortOptions,
    begun?: (operation: O, hello: AgentHello) => void,
  ): Promise<O> {
    const text = encodeControl({ id: randomUUID(), attempt: 1, ...open });
    return await this.#onLiving(options, async ({ session, hello }) => {
      const operation = make(hello);
      try {
        session.begin(text, operation);
        begun?.(operation, hello);
        await abortable(operation.whenOpened, options.signal);
        return operation;
      } catch (error) {
        void operation.cancel();
        throw error;
      }
    });
  }

  /** Opens an operation that may have been opened before, and waits until the agent has taken it. `fieldsFor` is asked for each OPEN that is sent. */
  async open(
    operation: AgentOperation,
    fieldsFor: (hello: AgentHello) => ControlObject,
    options: AbortOptions,
  ): Promise<void> {
    await this.#onLiving(options, async ({ session, hello, release }) => {
      let text: Buffer;
      try {
        text = encodeControl(fieldsFor(hello));
      } catch (error) {
        release();
        throw error;
      }
      session.begin(text, operation);
      await abortable(operation.whenOpened, options.signal);
    });
  }

  /** Ends what the agent may have kept of an operation. Rejects where it cannot be reached soon. */
  async forget(operation: string): Promise<void> {
    const { clock, cancelTimeoutMs } = this.#context;
    const [enough, done] = [new AbortController(), new AbortController()];
    void clock.sleep(cancelTimeoutMs, { signal: done.signal }).then(
      () => enough.abort(new HeartbeatTimeoutError(cancelTimeoutMs)),
      () => undefined,
    );
    try {
      await this.ask({ op: 'remove', operation }, { signal: enough.signal });
    } catch (error) {
      throw error instanceof LostConnection ? error.reason : error;
    } finally {
      done.abort();
    }
  }

  /** Aborted when the connections are closed. */
  get closing(): AbortSignal {
    return this.#pool.closing;
  }

  /** As `SessionPool.idleSince`. */
  get idleSince(): number | undefined {
    return this.#pool.idleSince;
  }

  /** Closes the connections. */
  close(reason: Error): void {
    this.#pool.close(reason);
  }

  async #onLiving<T>({ signal }: AbortOptions, work: (pooled: PooledSession) => Promise<T>): Promise<T> {
    const pooled = await this.#pool.acquire({ signal });
    try {
      return await work(pooled);
    } catch (error) {
      const dead =
        error instanceof LostConnection &&
        !(error.reason instanceof ProtocolViolationError || error.reason instanceof ClosedError);
      if (!pooled.reused || !dead) throw error;
    }
    return await work(await this.#pool.acquire({ signal, fresh: true }));
  }
}

function ignore(): void {
  // Reported to the caller that waits for the answer.
}
