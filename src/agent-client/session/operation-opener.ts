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
 * How long an operation holds its place. `answered`: until RESULT. `opened`: until OPENED, or, for
 * an agent that sends none, until OPEN was sent. `sent`: until OPEN was sent.
 */
export type PlaceUntil = 'answered' | 'opened' | 'sent';

export interface OpenerContext extends OperationContext {
  readonly limits: ConnectionLimits;
}

/**
 * Opens operations on the connections of a pool. If a reused connection turns out to be dead before
 * the agent has opened the operation, the opener retries once on a new connection. It retries
 * nothing else.
 */
export class OperationOpener {
  readonly #pool: SessionPool;
  readonly #context: OpenerContext;

  constructor(pool: SessionPool, context: OpenerContext) {
    this.#pool = pool;
    this.#context = context;
  }

  /** Resolves with the agent's HELLO after the agent has answered on a connection. */
  async hello({ signal }: AbortOptions): Promise<AgentHello> {
    return await this.#withSession({ signal }, async ({ session, hello, reused, release }) => {
      try {
        if (reused) await abortable(session.ping(), signal);
      } finally {
        release();
      }
      return hello;
    });
  }

  /**
   * Waits for a place for this use of a connection. Resolves with the function that releases it.
   */
  async enter(use: ConnectionUse, { signal }: AbortOptions): Promise<() => void> {
    const { closing } = this.#pool;
    return await this.#context.limits.enter(use, {
      signal: signal === undefined ? closing : AbortSignal.any([signal, closing]),
    });
  }

  /**
   * Runs an operation without streams. Resolves with the fields of RESULT. An abort of the signal
   * cancels the operation.
   *
   * @param until - how long the operation holds one of the places that all pods share. An operation
   * that waits for an event in the pod must not hold its place until it is answered.
   */
  async run(open: ControlObject, options: AbortOptions, until: PlaceUntil = 'answered'): Promise<Fields> {
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

  /**
   * Begins an operation and waits for OPENED. An abort of the signal cancels the operation. Calls
   * `begun` when OPEN was sent.
   */
  async begin<O extends AgentOperation>(
    open: ControlObject,
    create: (hello: AgentHello) => O,
    options: AbortOptions,
    begun?: (operation: O, hello: AgentHello) => void,
  ): Promise<O> {
    const text = encodeControl({ id: randomUUID(), attempt: 1, ...open });
    return await this.#withSession(options, async ({ session, hello }) => {
      const operation = create(hello);
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

  /**
   * Opens an operation that may have been opened before, and waits for OPENED. Calls `fieldsFor`
   * for each OPEN that it sends.
   */
  async open(
    operation: AgentOperation,
    fieldsFor: (hello: AgentHello) => ControlObject,
    options: AbortOptions,
  ): Promise<void> {
    await this.#withSession(options, async ({ session, hello, release }) => {
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

  /**
   * Ends an operation that the agent may still keep. Rejects if the agent does not answer within
   * `cancelTimeoutMs`.
   */
  async forget(operation: string): Promise<void> {
    const { clock, cancelTimeoutMs } = this.#context;
    const [timeout, done] = [new AbortController(), new AbortController()];
    void clock.sleep(cancelTimeoutMs, { signal: done.signal }).then(
      () => timeout.abort(new HeartbeatTimeoutError(cancelTimeoutMs)),
      () => undefined,
    );
    try {
      await this.run({ op: 'remove', operation }, { signal: timeout.signal });
    } catch (error) {
      throw error instanceof LostConnection ? error.reason : error;
    } finally {
      done.abort();
    }
  }

  /** Aborts when the connections are closed. */
  get closing(): AbortSignal {
    return this.#pool.closing;
  }

  /** See `SessionPool.idleSince`. */
  get idleSince(): number | undefined {
    return this.#pool.idleSince;
  }

  /** Closes the connections. */
  close(reason: Error): void {
    this.#pool.close(reason);
  }

  async #withSession<T>({ signal }: AbortOptions, work: (pooled: PooledSession) => Promise<T>): Promise<T> {
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
  // `answer` rejects with the same error.
}
