/**
 * The longest delay of Node's timers, which fire at once after a longer one: 2^31 - 1 ms are 24.8
 * days.
 */
const longestPartMs = 2_147_483_647;

/** Calls back after a delay of any length. */
export class Timer {
  readonly #delayMs: number;
  readonly #callback: () => void;
  readonly #keepsAlive: boolean;
  #timeout: NodeJS.Timeout | undefined;

  /**
   * @param options - `keepsAlive`: whether the timer keeps the program alive.
   * @defaultValue true
   */
  constructor(delayMs: number, callback: () => void, { keepsAlive = true }: { readonly keepsAlive?: boolean } = {}) {
    this.#delayMs = delayMs;
    this.#callback = callback;
    this.#keepsAlive = keepsAlive;
    this.#wait(delayMs);
  }

  /** Restarts the delay, even if it has passed. Does nothing after `clear`. */
  restart(): void {
    if (this.#timeout === undefined) return;
    if (this.#delayMs <= longestPartMs) this.#timeout.refresh();
    else this.#wait(this.#delayMs);
  }

  /** Cancels the callback. Idempotent. */
  clear(): void {
    clearTimeout(this.#timeout);
    this.#timeout = undefined;
  }

  #wait(leftMs: number): void {
    clearTimeout(this.#timeout);
    const partMs = Math.min(leftMs, longestPartMs);
    this.#timeout = setTimeout(() => {
      if (leftMs > partMs) this.#wait(leftMs - partMs);
      else this.#callback();
    }, partMs);
    if (!this.#keepsAlive) this.#timeout.unref();
  }
}
