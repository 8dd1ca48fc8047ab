import type { Clock } from '../runtime/options.ts';
import type { StreamingInput } from '../runtime/step-progress.ts';

export interface InputProgressOptions {
  readonly input: Pick<StreamingInput, 'path' | 'handle' | 'inputNumber' | 'inputCount'>;
  /** An estimate of the archive's size. */
  readonly estimatedBytes: number | undefined;
  readonly clock: Pick<Clock, 'now'>;
  readonly report: (facts: Omit<StreamingInput, 'kind'>) => void;
}

/** The shortest time between two reports of one input. */
const intervalMs = 500;

/** The progress of one input: its begin, its bytes at intervals, and its end. */
export class InputProgress {
  readonly #options: InputProgressOptions;
  #reportedAt = 0;
  #isComplete = false;

  constructor(options: InputProgressOptions) {
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
