import { randomUUID } from 'node:crypto';

import { ClosedError } from '../errors/caller.ts';
import { ProtocolViolationError } from '../errors/connection.ts';
import { abortable } from '../internal/abort.ts';
import type { AbortOptions } from '../runtime/options.ts';
import { LostConnection } from './agent-error.ts';
import type { AgentHello } from './agent-hello.ts';
import { AgentOperation, type OperationContext } from './agent-operation.ts';
import { type ControlObject, encodeControl, type Fields } from './control.ts';
import type { PooledSession, SessionPool } from './session-pool.ts';

/**
 * Opens operations on the connections of a pool. Where an idle connection turns out to be dead before anything has happened on it, a new one is tried, once;
 * nothing else is tried again.
 */
export class OperationOpener {
  readonly #pool: SessionPool;
  readonly #context: OperationContext;

  constructor(pool: SessionPool, context: OperationContext) {
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

  /** Does an operation without streams; resolves with the facts of its RESULT. A signal's abort cancels it. */
  async ask(open: ControlObject, options: AbortOptions): Promise<Fields> {
    const operation = await this.begin(open, () => new AgentOperation(this.#context), options);
    try {
      return await abortable(operation.answer, options.signal);
    } finally {
      void operation.cancel();
    }
  }

  /** Begins an operation, and waits until the agent has taken it. A signal's abort cancels it. */
  async begin<O extends AgentOperation>(open: ControlObject, make: () => O, options: AbortOptions): Promise<O> {
    const text = encodeControl({ id: randomUUID(), attempt: 1, ...open });
    return await this.#onLiving(options, async ({ session }) => {
      const operation = make();
      operation.bind(session.begin(text, operation));
      try {
        await abortable(operation.whenOpened, options.signal);
        return operation;
      } catch (error) {
        void operation.cancel();
        throw error;
      }
    });
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
      const dead = error instanceof LostConnection && !(error.reason instanceof ProtocolViolationError || error.reason instanceof ClosedError);
      if (!pooled.reused || !dead) throw error;
    }
    return await work(await this.#pool.acquire({ signal, fresh: true }));
  }
}
