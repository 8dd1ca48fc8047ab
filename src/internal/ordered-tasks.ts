import { SerialConsumer } from './serial-consumer.ts';

/** Work that returns its result, or a promise of it. */
export type Work<T> = () => T | Promise<T>;

export interface OrderedTasksOptions<T> {
  /** How many tasks may run concurrently. */
  readonly concurrency: number;
  /**
   * Receives the results in the order of `add`. Each call waits until the promise of the previous
   * call has resolved.
   */
  readonly take: (result: T) => void | Promise<void>;
  /** Called once, with the error of work or of `take`. No result is delivered after it. */
  readonly failed: (error: unknown) => void;
}

/** Runs work concurrently, and delivers the results one at a time in the order of `add`. */
export class OrderedTasks<T> {
  readonly #options: OrderedTasksOptions<T>;
  readonly #consumer: SerialConsumer<T>;
  #items: Item<T>[] = [];
  #stopped = false;
  #watchers: { readonly size: number; readonly resolve: () => void }[] = [];

  constructor(options: OrderedTasksOptions<T>) {
    this.#options = options;
    this.#consumer = new SerialConsumer({
      take: options.take,
      taken: () => {
        this.#advance();
      },
      failed: (error) => {
        this.#fail(error);
      },
    });
  }

  /** The number of tasks with undelivered results. */
  get size(): number {
    return this.#items.length + (this.#consumer.isBusy ? 1 : 0);
  }

  /**
   * Adds work. A synchronous result is delivered within this call if no other task is before it.
   */
  add(work: Work<T>): void {
    if (this.#stopped) return;
    this.#items.push({ work, state: 'waiting' });
    this.#advance();
  }

  /** Resolves when at most `size` tasks remain. Never resolves after a failure or a stop. */
  async whenAtMost(size: number): Promise<void> {
    if (this.size <= size) return;
    await new Promise<void>((resolve) => {
      this.#watchers.push({ size, resolve });
    });
  }

  /** Discards all tasks with undelivered results. Idempotent. */
  stop(): void {
    this.#stopped = true;
    this.#items = [];
    this.#watchers = [];
  }

  #advance(): void {
    while (!this.#stopped) {
      this.#startWork();
      const head = this.#items[0];
      if (this.#consumer.isBusy || head?.state !== 'done') break;
      this.#items.shift();
      this.#consumer.give(head.result);
    }
    this.#notifyWatchers();
  }

  #startWork(): void {
    for (const [index, item] of this.#items.entries()) {
      if (index >= this.#options.concurrency || this.#stopped) return;
      if (item.state === 'waiting') this.#start(index, item);
    }
  }

  #start(index: number, { work }: WaitingItem<T>): void {
    const done = (result: T): DoneItem<T> => ({ state: 'done', result });
    try {
      const result = work();
      if (!(result instanceof Promise)) {
        this.#items[index] = done(result);
        return;
      }
      const running: RunningItem = { state: 'running' };
      this.#items[index] = running;
      result.then(
        (value) => {
          const at = this.#items.indexOf(running);
          if (at < 0) return;
          this.#items[at] = done(value);
          this.#advance();
        },
        (error: unknown) => {
          this.#fail(error);
        },
      );
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    if (this.#stopped) return;
    this.stop();
    this.#options.failed(error);
  }

  #notifyWatchers(): void {
    if (this.#watchers.length === 0) return;
    const reached = this.#watchers.filter(({ size }) => this.size <= size);
    this.#watchers = this.#watchers.filter(({ size }) => this.size > size);
    for (const { resolve } of reached) resolve();
  }
}

type Item<T> = WaitingItem<T> | RunningItem | DoneItem<T>;

interface WaitingItem<T> {
  readonly state: 'waiting';
  readonly work: Work<T>;
}

interface RunningItem {
  readonly state: 'running';
}

interface DoneItem<T> {
  readonly state: 'done';
  readonly result: T;
}
