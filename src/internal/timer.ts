/** Node fires longer timers at once: 2^31 - 1 ms are 24.8 days. */
const longestPartMs = 2_147_483_647;

/** Calls back after a delay of any length. */
export class Timer {
  readonly #delayMs: number;
  readonly #callback: () => void;
  readonly #keepsAlive: boolean;
  #timeout: NodeJS.Timeout | undefined;

  /** @param options - `keepsAlive`: whether the program stays alive for it. @defaultValue true */
  constructor(delayMs: number, callback: () => void, { keepsAlive = true }: { readonly keepsAlive?: boolean } = {}) {
    this.#delayMs = delayMs;
    this.#callback = callback;
    this.#keepsAlive = keepsAlive;
    this.#wait(delayMs);
  }

  /** Begins the delay anew, also where it has passed; after `clear` nothing happens. */
  restart(): void {
    if (this.#timeout === undefined) return;
    if (this.#delayMs <= longestPartMs) this.#timeout.refresh();
    else this.#wait(this.#delayMs);
  }

  /** Cancels the call. Idempotent. */
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
