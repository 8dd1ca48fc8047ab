/** Wakes all waiters after a change. Each waiter checks the state itself. */
export class ChangeSignal {
  #waiting: (() => void)[] = [];

  /**
   * Resolves at the next `notify`. Check the state before the wait, because earlier notifications
   * are not repeated.
   */
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
