import type { Clock } from '../runtime/options.ts';

/** In how many steps a silence is counted: a clock that is set, or a program that was stopped for a while, counts as one step. */
const STEPS = 8;

/** What to watch for. */
export interface SilenceWatchOptions {
  readonly clock: Clock;
  /** How long nothing may happen, in milliseconds; noticed up to an eighth of it later. */
  readonly limitMs: number;
  /** Called each time that nothing happened for so long. */
  readonly silent: () => void;
}

/** Notices that nothing happens. It counts from its making, until `stop`. */
export class SilenceWatch {
  readonly #options: SilenceWatchOptions;
  readonly #stopped = new AbortController();
  #quietSteps = 0;

  constructor(options: SilenceWatchOptions) {
    this.#options = options;
    void this.#count();
  }

  /** Something happened. */
  touch(): void {
    this.#quietSteps = -1;
  }

  /** Lets go of the timer. Idempotent. */
  stop(): void {
    this.#stopped.abort();
  }

  async #count(): Promise<void> {
    const { clock, limitMs, silent } = this.#options;
    const { signal } = this.#stopped;
    while (await stepped(clock.sleep(limitMs / STEPS, { signal }))) {
      this.#quietSteps += 1;
      if (this.#quietSteps < STEPS) continue;
      this.#quietSteps = 0;
      silent();
    }
  }
}

/** Whether the step passed; a stop is the only thing that cuts it short. */
async function stepped(step: Promise<void>): Promise<boolean> {
  try {
    await step;
    return true;
  } catch {
    return false;
  }
}
