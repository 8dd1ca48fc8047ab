import { ClosedError } from '../../errors/caller.ts';
import { ChangeSignal } from '../../internal/change-signal.ts';
import { transferFailure } from '../wire/agent-error.ts';
import type { DataFrame } from '../wire/frame.ts';
import { DownloadOperation } from './download-operation.ts';
import type { TransferResult } from './transfer-progress.ts';

/** A download as the received frames, neither expanded nor hashed, for a relay. */
export class FrameDownload extends DownloadOperation {
  readonly #change = new ChangeSignal();
  #frames: DataFrame[] = [];
  #result: TransferResult | undefined;
  #failure: { readonly reason: unknown } | undefined;

  /** The agent's result, once all frames were received. */
  get result(): TransferResult | undefined {
    return this.#result;
  }

  /**
   * Resolves with the next frames: at least one, or none at the verified end. Rejects with the
   * typed error that ended the download.
   */
  async next(): Promise<readonly DataFrame[]> {
    while (this.#frames.length === 0 && this.#result === undefined) {
      if (this.#failure !== undefined) throw this.#failure.reason;
      await this.#change.wait();
    }
    const frames = this.#frames;
    this.#frames = [];
    return frames;
  }

  /** Returns the agent's result after `next` has resolved with none. */
  requireResult(): TransferResult {
    if (this.#result === undefined) throw new Error('the download has not ended');
    return this.#result;
  }

  /** Reports that the frame was passed on. */
  passed({ rawLength }: DataFrame): void {
    this.consumed(rawLength);
  }

  /** Ends the download, in the pod as well. */
  stop(): void {
    this.fail(new ClosedError('the download'));
    void this.cancel();
  }

  protected override take(frame: DataFrame): void {
    this.#frames.push(frame);
    this.#change.notify();
  }

  protected override proven(result: TransferResult): void {
    this.#result = result;
    this.#change.notify();
  }

  protected override fail(reason: unknown): void {
    this.stopWatching();
    this.#failure ??= { reason: transferFailure(reason, this.facts()) };
    this.#change.notify();
    if (!this.isOver) void this.cancel();
  }
}
