/** Wakes all waiters after a change. They check the state before each wait. */
export class Change {
  #next: PromiseWithResolvers<void> = Promise.withResolvers<void>();

  wait(): Promise<void> {
    return this.#next.promise;
  }

  notify(): void {
    this.#next.resolve();
    this.#next = Promise.withResolvers<void>();
  }
}
