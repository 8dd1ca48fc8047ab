import { addAbortListener } from 'node:events';

import { Timer } from '../internal/timer.ts';

/** The reason of a call that timed out without a response. */
export class CallTimeout extends Error {
  readonly waitedMs: number;

  constructor(waitedMs: number) {
    super(`no answer within ${waitedMs} ms`);
    this.waitedMs = waitedMs;
  }
}

/**
 * The signal of one call, aborted by the caller's signal or by the time-out. The HTTP client leaves
 * listeners on its signal until the signal is collected. It gets this signal, so the caller's
 * signal has no listener after the call.
 */
export class CallSignal implements Disposable {
  readonly #controller = new AbortController();
  readonly #listener: Disposable | undefined;
  readonly #timer: Timer | undefined;

  constructor(
    outer: AbortSignal | undefined,
    timeoutMs?: number,
    { keepsAlive = true }: { readonly keepsAlive?: boolean } = {},
  ) {
    outer?.throwIfAborted();
    if (outer !== undefined) this.#listener = addAbortListener(outer, () => this.abort(outer.reason));
    if (timeoutMs !== undefined)
      this.#timer = new Timer(timeoutMs, () => this.abort(new CallTimeout(timeoutMs)), { keepsAlive });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Restarts the time-out. */
  touch(): void {
    this.#timer?.restart();
  }

  abort(reason: unknown): void {
    this.#controller.abort(reason);
  }

  [Symbol.dispose](): void {
    this.#timer?.clear();
    this.#listener?.[Symbol.dispose]();
  }
}
