import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

import type { PGlite } from '@electric-sql/pglite';

import type { Answer, Order, Outcome } from './orders.ts';
import type { ResultMessage, StatementMessage } from './remote-database.ts';

const thisCheckout = new URL('../../', import.meta.url);

/** A host in a process of its own, seen from its parent, which has its database. */
export class HostChild implements AsyncDisposable {
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #database: PGlite;
  #waiting: PromiseWithResolvers<Outcome> | undefined;

  /** @param checkout - whose library the host imports; the URL of a folder. Its host program has to know the orders that it gets */
  constructor(database: PGlite, checkout: URL = thisCheckout) {
    this.#database = database;
    const program = fileURLToPath(new URL('bench/host/host-process.ts', checkout));
    const fromSource = new URL('scripts/from-source.ts', checkout).href;
    this.#child = fork(program, { execArgv: ['--expose-gc', '--import', fromSource], serialization: 'advanced' });
    if (this.#child.pid === undefined) throw new Error('the host could not be started');
    this.pid = this.#child.pid;
    this.#child.on('message', (message) => {
      const received = message as Answer | StatementMessage;
      if (received.kind === 'statement') void this.#query(received);
      else if (received.kind === 'done') this.#waiting?.resolve(received.outcome);
      else this.#waiting?.reject(new Error(`in the host: ${received.reason}`));
    });
    this.#child.once('exit', (status, signal) =>
      this.#waiting?.reject(new Error(`the host ended: ${String(status ?? signal)}`)),
    );
  }

  /** One at a time. */
  async tell(order: Order): Promise<Outcome> {
    this.#waiting = Promise.withResolvers<Outcome>();
    this.#child.send(order);
    return await this.#waiting.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.disconnect();
    await exited;
  }

  async #query({ id, text, values }: StatementMessage): Promise<void> {
    this.#child.send(await this.#resultOf(id, text, values));
  }

  async #resultOf(id: number, text: string, values: readonly unknown[]): Promise<ResultMessage> {
    try {
      const { rows } = await this.#database.query(text, [...values]);
      return { kind: 'result', id, rows };
    } catch (error) {
      const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
      return { kind: 'result', id, error: { message: String(error), code } };
    }
  }
}
