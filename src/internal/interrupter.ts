/**
 * Makes one waiter at a time give up, however long what it waits for takes: unlike a race against a promise that lives as long as the work, nothing
 * adds up over millions of short waits.
 */
export class Interrupter {
  #interrupted = false;
  #reason: unknown;
  #giveUp: ((reason: unknown) => void) | undefined;

  get interrupted(): boolean {
    return this.#interrupted;
  }

  /** Makes the present wait, and all later ones, reject with the reason. Only the first call counts. */
  interrupt(reason: unknown): void {
    if (this.#interrupted) return;
    this.#interrupted = true;
    this.#reason = reason;
    this.#giveUp?.(reason);
  }

  /** Throws the reason if there was an interrupt. */
  throwIfInterrupted(): void {
    if (this.#interrupted) throw this.#reason;
  }

  /** What the promise settles with, unless an interrupt comes first; then what it settles with is ignored. */
  async wait<T>(promise: PromiseLike<T>): Promise<T> {
    if (this.#interrupted) {
      promise.then(undefined, () => undefined);
      throw this.#reason;
    }
    return await new Promise<T>((resolve, reject) => {
      this.#giveUp = reject;
      promise.then(resolve, reject);
    });
  }
}
