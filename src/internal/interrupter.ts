/**
 * Interrupts one waiter at a time. A race against a promise that lives as long as the work would
 * accumulate memory over millions of short waits.
 */
export class Interrupter {
  #interrupted = false;
  #reason: unknown;
  #reject: ((reason: unknown) => void) | undefined;

  get interrupted(): boolean {
    return this.#interrupted;
  }

  /**
   * Rejects the current wait and all later waits with the reason. Only the first call has an
   * effect.
   */
  interrupt(reason: unknown): void {
    if (this.#interrupted) return;
    this.#interrupted = true;
    this.#reason = reason;
    this.#reject?.(reason);
  }

  /** Throws the reason if there was an interrupt. */
  throwIfInterrupted(): void {
    if (this.#interrupted) throw this.#reason;
  }

  /**
   * Settles like the promise. Rejects if an interrupt comes first; then the promise's result is
   * ignored.
   */
  async wait<T>(promise: PromiseLike<T>): Promise<T> {
    if (this.#interrupted) {
      promise.then(undefined, () => undefined);
      throw this.#reason;
    }
    return await new Promise<T>((resolve, reject) => {
      this.#reject = reject;
      promise.then(resolve, reject);
    });
  }
}
