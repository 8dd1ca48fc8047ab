/** Lets go of what was opened, the last first, unless it is kept. */
export class AsyncStack implements AsyncDisposable {
  #close: (() => PromiseLike<unknown>)[] = [];

  use<T>(value: T, close: (value: T) => PromiseLike<unknown>): T {
    this.#close.push(() => close(value));
    return value;
  }

  /** Takes over what is to be let go of. */
  keep(): AsyncStack {
    const kept = new AsyncStack();
    kept.#close = this.#close;
    this.#close = [];
    return kept;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const close of this.#close.reverse()) await close();
    this.#close = [];
  }
}
