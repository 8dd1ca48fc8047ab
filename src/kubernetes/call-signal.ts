import { addAbortListener } from 'node:events';

import { Timer } from '../internal/timer.ts';

/** Why a call was given up by us: no answer in time. */
export class CallTimeout extends Error {
  readonly waitedMs: number;

  constructor(waitedMs: number) {
    super(`no answer within ${waitedMs} ms`);
    this.waitedMs = waitedMs;
  }
}

/**
 * A signal for one call, which the caller's signal or the time-out aborts. The HTTP client leaves listeners on the signals that it is given until they
 * are collected; so it gets this one, and the caller's is free again after the call.
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

  /** Begins the time-out anew. */
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
