/** Lets any number of waiters know that something changed; what, they look for themselves. */
export class ChangeSignal {
  #waiting: (() => void)[] = [];

  /** Resolves at the next `notify`. Look before you wait: what happened before is not told. */
  wait(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
    });
  }

  readonly notify = (): void => {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  };
}
