/** Closes resources in reverse order of their opening, unless they are kept. */
export class AsyncStack implements AsyncDisposable {
  #closers: (() => PromiseLike<unknown>)[] = [];

  /** Registers a resource to close, and returns it. */
  use<T>(value: T, close: (value: T) => PromiseLike<unknown>): T {
    this.#closers.push(() => close(value));
    return value;
  }

  /** Moves the resources to a new stack. */
  keep(): AsyncStack {
    const kept = new AsyncStack();
    kept.#closers = this.#closers;
    this.#closers = [];
    return kept;
  }

  /** Closes every resource, also after a failure. Rejects with the first failure. */
  async [Symbol.asyncDispose](): Promise<void> {
    const closers = this.#closers.reverse();
    this.#closers = [];
    const failures: unknown[] = [];
    for (const close of closers) {
      try {
        await close();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}
