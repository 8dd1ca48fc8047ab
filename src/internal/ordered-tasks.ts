import { SerialConsumer } from './serial-consumer.ts';

/** A piece of work, or a result that is there already. */
export type Work<T> = () => T | Promise<T>;

export interface OrderedTasksOptions<T> {
  /** How much work may run at once. */
  readonly concurrency: number;
  /** Given the results in the order of `add`, the next only when the promise has resolved. */
  readonly take: (result: T) => void | Promise<void>;
  /** Called once, with what work or `take` failed with; nothing is taken after it. */
  readonly failed: (error: unknown) => void;
}

/** Runs work side by side, and hands over the results one after the other in the order in which the work came. */
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

  /** What was added and is not yet taken. */
  get size(): number {
    return this.#items.length + (this.#consumer.isBusy ? 1 : 0);
  }

  /** Work that gives its result at once is taken within this call, if nothing is before it. */
  add(work: Work<T>): void {
    if (this.#stopped) return;
    this.#items.push({ work, state: 'waiting' });
    this.#advance();
  }

  /** Resolves when no more than `size` are left; never after a failure or a stop. */
  async whenAtMost(size: number): Promise<void> {
    if (this.size <= size) return;
    await new Promise<void>((resolve) => {
      this.#watchers.push({ size, resolve });
    });
  }

  /** Drops everything that is not yet taken. Idempotent. */
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
    this.#tellWatchers();
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

  #tellWatchers(): void {
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
