import type { Clock } from '../../runtime/options.ts';
import type { StreamingInput } from '../../runtime/step-progress.ts';

/** How much of an input or a cache has arrived. */
type Arrival = Pick<StreamingInput, 'receivedBytes' | 'totalBytes' | 'isComplete'>;

export interface InputProgressOptions<Input> {
  /** What identifies it in every report. */
  readonly input: Input;
  /** An estimate of the archive's size. */
  readonly estimatedBytes: number | undefined;
  readonly clock: Pick<Clock, 'now'>;
  readonly report: (facts: Input & Arrival) => void;
}

/** The shortest time between two reports of one input or cache. */
const intervalMs = 500;

/** The progress of one input or cache: its start, its bytes at intervals, and its end. */
export class InputProgress<Input> {
  readonly #options: InputProgressOptions<Input>;
  #reportedAt = 0;
  #isComplete = false;

  constructor(options: InputProgressOptions<Input>) {
    this.#options = options;
  }

  begin(): void {
    this.#report(0);
  }

  received(bytes: number): void {
    if (this.#isComplete) return;
    const sinceMs = this.#options.clock.now() - this.#reportedAt;
    // A negative time: the clock was set back.
    if (sinceMs < 0 || sinceMs >= intervalMs) this.#report(bytes);
  }

  complete(totalBytes: number): void {
    const { input, report } = this.#options;
    this.#isComplete = true;
    report({ ...input, receivedBytes: totalBytes, totalBytes, isComplete: true });
  }

  #report(receivedBytes: number): void {
    const { input, estimatedBytes, clock, report } = this.#options;
    this.#reportedAt = clock.now();
    const isExceeded = estimatedBytes !== undefined && receivedBytes > estimatedBytes;
    const totalBytes = isExceeded ? undefined : estimatedBytes;
    report({ ...input, receivedBytes, totalBytes, isComplete: false });
  }
}
