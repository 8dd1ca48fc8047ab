/**
 * Runs many tasks, with a limited number under way. A task that takes long does not delay the
 * others.
 */
export class SlidingWindow {
  readonly #limit: number;
  readonly #underWay = new Set<Promise<void>>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** The number of tasks under way. */
  get size(): number {
    return this.#underWay.size;
  }

  /** Begins a task, which must not reject. Resolves when there is room for another one. */
  async begin(task: () => Promise<void>): Promise<void> {
    const running: Promise<void> = task().finally(() => this.#underWay.delete(running));
    this.#underWay.add(running);
    if (this.#underWay.size >= this.#limit) await Promise.race(this.#underWay);
  }

  /** Resolves when all tasks have ended. */
  async end(): Promise<void> {
    await Promise.all(this.#underWay);
  }
}
