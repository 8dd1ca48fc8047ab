import type { AbortOptions, Clock } from '../../../../src/runtime/options.ts';
import { VirtualClock } from '../../../support/virtual-clock.ts';

/** The clock of a replica's host. A step of its time wakes no sleep, as with a monotonic timer. */
export class HostClock implements Clock {
  readonly #monotonic: VirtualClock;
  #offsetMs = 0;

  constructor(now: number) {
    this.#monotonic = new VirtualClock(now);
  }

  now(): number {
    return this.#monotonic.now() + this.#offsetMs;
  }

  async sleep(delayMs: number, options: AbortOptions = {}): Promise<void> {
    await this.#monotonic.sleep(delayMs, options);
  }

  /** Sets the time of day forward or back. */
  step(byMs: number): void {
    this.#offsetMs += byMs;
  }

  async advance(byMs: number): Promise<void> {
    await this.#monotonic.advance(byMs);
  }
}
