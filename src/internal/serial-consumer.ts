export interface SerialConsumerOptions<T> {
  /** Given one after the other, the next only when the promise has resolved. */
  readonly take: (value: T) => void | Promise<void>;
  /** Called when a value that took its time was taken: the next may be given. */
  readonly taken: () => void;
  /** Called with what `take` failed with; nothing may be given after it. */
  readonly failed: (error: unknown) => void;
}

/** Gives somebody one value at a time, whether they take it at once or not. */
export class SerialConsumer<T> {
  readonly #options: SerialConsumerOptions<T>;
  #isBusy = false;

  constructor(options: SerialConsumerOptions<T>) {
    this.#options = options;
  }

  /** Whether the last value is not yet taken: then nothing may be given. */
  get isBusy(): boolean {
    return this.#isBusy;
  }

  give(value: T): void {
    const { take, taken, failed } = this.#options;
    try {
      const taking = take(value);
      if (taking === undefined) return;
      this.#isBusy = true;
      taking.then(() => {
        this.#isBusy = false;
        taken();
      }, failed);
    } catch (error) {
      failed(error);
    }
  }
}
