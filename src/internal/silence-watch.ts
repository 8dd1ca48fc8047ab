import type { Clock } from '../runtime/options.ts';

/**
 * The number of steps in which a silence is counted. A clock that is set forward, or a program that
 * was suspended, counts as one step.
 */
const STEPS = 8;

export interface SilenceWatchOptions {
  readonly clock: Clock;
  /** The longest silence, in milliseconds. It is noticed up to an eighth of this time later. */
  readonly limitMs: number;
  /** Called after each silence of this length. */
  readonly silent: () => void;
}

/** Detects silence, from its construction until `stop`. */
export class SilenceWatch {
  readonly #options: SilenceWatchOptions;
  readonly #stopped = new AbortController();
  #quietSteps = 0;

  constructor(options: SilenceWatchOptions) {
    this.#options = options;
    void this.#count();
  }

  /** Restarts the count, because something has happened. */
  touch(): void {
    this.#quietSteps = -1;
  }

  /** Releases the timer. Idempotent. */
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

/** Resolves with whether the step has passed. Only a stop cuts it short. */
async function stepped(step: Promise<void>): Promise<boolean> {
  try {
    await step;
    return true;
  } catch {
    return false;
  }
}
