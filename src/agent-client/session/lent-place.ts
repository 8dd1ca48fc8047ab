import type { AbortOptions } from '../../runtime/options.ts';

/** A place among a limited number, which its holder gives back while it has no use for it, and takes again in turn. */
export class LentPlace {
  readonly #enter: (options: AbortOptions) => Promise<() => void>;
  readonly #over = new AbortController();
  #leave: (() => void) | undefined;
  #taking: Promise<void> | undefined;

  /** @param leave - gives back the place that it has from the start */
  constructor(enter: (options: AbortOptions) => Promise<() => void>, leave: () => void) {
    this.#enter = enter;
    this.#leave = leave;
  }

  get isHeld(): boolean {
    return this.#leave !== undefined;
  }

  /** Others may have it, until `take`. */
  lend(): void {
    this.#leave?.();
    this.#leave = undefined;
  }

  /** Resolves when it is held. Rejects after `close`. */
  async take(): Promise<void> {
    if (this.isHeld) return;
    this.#taking ??= this.#take().finally(() => {
      this.#taking = undefined;
    });
    await this.#taking;
  }

  /** Gives it back for good. Idempotent. */
  close(): void {
    this.#over.abort();
    this.lend();
  }

  async #take(): Promise<void> {
    const { signal } = this.#over;
    const leave = await this.#enter({ signal });
    if (signal.aborted) leave();
    else this.#leave = leave;
  }
}
