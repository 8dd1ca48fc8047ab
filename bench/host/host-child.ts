import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

import type { PGlite } from '@electric-sql/pglite';

import type { HostRequest, HostResponse, HostResult } from './host-messages.ts';
import type { ResultMessage, StatementMessage } from './remote-database.ts';

const thisCheckout = new URL('../../', import.meta.url);

/** A host in a separate process. The parent has its database. */
export class HostChild implements AsyncDisposable {
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #database: PGlite;
  #pending: PromiseWithResolvers<HostResult> | undefined;
  #end: Error | undefined;

  /**
   * @param checkout - the URL of the folder whose library the host imports. The host program of
   * that checkout must support the requests that it receives
   */
  constructor(database: PGlite, checkout: URL = thisCheckout) {
    this.#database = database;
    const program = fileURLToPath(new URL('bench/host/host-process.ts', checkout));
    const fromSource = new URL('scripts/from-source.ts', checkout).href;
    this.#child = fork(program, {
      execArgv: ['--expose-gc', '--import', fromSource],
      serialization: 'advanced',
      // A signal to the process group would end the host before it has removed its pods.
      detached: true,
    });
    if (this.#child.pid === undefined) throw new Error('the host could not be started');
    this.pid = this.#child.pid;
    this.#child.on('message', (message) => {
      const received = message as HostResponse | StatementMessage;
      if (received.kind === 'statement') void this.#query(received);
      else if (received.kind === 'done') this.#pending?.resolve(received.outcome);
      else this.#pending?.reject(new Error(`in the host: ${received.reason}`));
    });
    this.#child.once('exit', (status, signal) => {
      this.#end = new Error(`the host ended: ${String(status ?? signal)}`);
      this.#pending?.reject(this.#end);
    });
  }

  /** Executes a request, one at a time. Rejects if the request fails or the host has ended. */
  async execute(request: HostRequest): Promise<HostResult> {
    if (this.#end !== undefined) throw this.#end;
    this.#pending = Promise.withResolvers<HostResult>();
    this.#send(request);
    return await this.#pending.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, 'exit');
    if (this.#child.connected) this.#child.disconnect();
    await exited;
  }

  /**
   * Sends a message. The callback keeps a closed channel from becoming an `error` event: a host
   * closes its channel when it ends, and `exit` then rejects the pending request.
   */
  #send(message: HostRequest | ResultMessage): void {
    this.#child.send(message, () => undefined);
  }

  async #query({ id, text, values }: StatementMessage): Promise<void> {
    this.#send(await this.#resultOf(id, text, values));
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
