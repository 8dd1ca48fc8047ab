export interface SerialConsumerOptions<T> {
  /** Receives one value at a time. The next value is given only after the promise has resolved. */
  readonly take: (value: T) => void | Promise<void>;
  /** Called when an asynchronous `take` has resolved: the next value may be given. */
  readonly taken: () => void;
  /** Called with the error of `take`. No value may be given after it. */
  readonly failed: (error: unknown) => void;
}

/** Passes one value at a time to a synchronous or asynchronous consumer. */
export class SerialConsumer<T> {
  readonly #options: SerialConsumerOptions<T>;
  #isBusy = false;

  constructor(options: SerialConsumerOptions<T>) {
    this.#options = options;
  }

  /** Whether the last `take` is still pending. Then no value may be given. */
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
