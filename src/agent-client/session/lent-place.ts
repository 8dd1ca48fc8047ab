import type { AbortOptions } from '../../runtime/options.ts';

/** A place of a limited number that its holder can lend to others and take again. */
export class LentPlace {
  readonly #enter: (options: AbortOptions) => Promise<() => void>;
  readonly #over = new AbortController();
  #leave: (() => void) | undefined;
  #taking: Promise<void> | undefined;

  /** @param leave - releases the initial place */
  constructor(enter: (options: AbortOptions) => Promise<() => void>, leave: () => void) {
    this.#enter = enter;
    this.#leave = leave;
  }

  get isHeld(): boolean {
    return this.#leave !== undefined;
  }

  /** Releases the place until `take`. */
  lend(): void {
    this.#leave?.();
    this.#leave = undefined;
  }

  /** Waits for a place, unless it is held. Rejects after `close`. */
  async take(): Promise<void> {
    if (this.isHeld) return;
    this.#taking ??= this.#take().finally(() => {
      this.#taking = undefined;
    });
    await this.#taking;
  }

  /** Releases the place for good. Idempotent. */
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
