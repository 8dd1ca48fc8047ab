import { addAbortListener } from 'node:events';

import { ClosedError } from '../../errors/caller.ts';
import { ChangeSignal } from '../../internal/change-signal.ts';
import type { ArchiveFrame, ArchiveFrames, FramesEnd } from '../../stores/frame-store.ts';
import { transferFailure } from '../wire/agent-error.ts';
import { ByteQueue } from '../wire/byte-queue.ts';
import { type DataFrame, MAX_DATA_BYTES } from '../wire/frame.ts';
import { DownloadOperation } from './download-operation.ts';
import type { TransferResult } from './transfer-progress.ts';

/** The frames of a download. */
class DownloadedFrames implements ArchiveFrames {
  readonly #download: FrameDownload;

  constructor(download: FrameDownload) {
    this.#download = download;
  }

  get end(): FramesEnd | undefined {
    const { result } = this.#download;
    return result === undefined ? undefined : { rawBytes: result.bytes, digest: result.sha256 };
  }

  async next(): Promise<readonly ArchiveFrame[]> {
    return await this.#download.next();
  }

  passed(frame: ArchiveFrame): void {
    this.#download.passed(frame);
  }

  stop(): void {
    this.#download.stop();
  }
}

/**
 * A download as frames, neither expanded nor hashed. Joins raw frames, and the parts in which they
 * arrive.
 */
export class FrameDownload extends DownloadOperation {
  readonly frames: ArchiveFrames = new DownloadedFrames(this);
  readonly #change = new ChangeSignal();
  readonly #raw = new ByteQueue();
  /** Whether the last received bytes are an incomplete raw frame. */
  #isPart = false;
  #ready: ArchiveFrame[] = [];
  #result: TransferResult | undefined;
  #failure: { readonly reason: unknown } | undefined;

  /** The agent's result, once all frames were received. */
  get result(): TransferResult | undefined {
    return this.#result;
  }

  /** Implements `ArchiveFrames.next`. */
  async next(): Promise<readonly ArchiveFrame[]> {
    for (;;) {
      if (!this.#isPart) this.#join(1);
      if (this.#ready.length > 0 || this.#result !== undefined) break;
      if (this.#failure !== undefined) throw this.#failure.reason;
      await this.#change.wait();
    }
    const frames = this.#ready;
    this.#ready = [];
    return frames;
  }

  /** Returns the agent's result after `next` has resolved with none. */
  requireResult(): TransferResult {
    if (this.#result === undefined) throw new Error('the download has not ended');
    return this.#result;
  }

  /** Implements `ArchiveFrames.passed`. */
  passed({ rawLength }: ArchiveFrame): void {
    this.consumed(rawLength);
  }

  /** Ends the download, in the pod as well. */
  stop(): void {
    this.fail(new ClosedError('the download'));
    void this.cancel();
  }

  /** Stops the download with the reason of the signal when it aborts. */
  endWith(signal: AbortSignal | undefined): void {
    if (signal === undefined) return;
    const listener = addAbortListener(signal, () => this.fail(signal.reason));
    const release = (): void => listener[Symbol.dispose]();
    void this.answer.then(release, release);
  }

  protected override take({ encoding, bytes, rawLength, isPart = false }: DataFrame): void {
    if (encoding === 'raw') {
      this.#raw.push(bytes);
      this.#join(MAX_DATA_BYTES);
    } else {
      this.#join(1);
      this.#ready.push({ encoding, rawLength, bytes });
    }
    this.#isPart = isPart;
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

  /** Makes frames of the raw bytes while at least `least` of them are held. */
  #join(least: number): void {
    while (this.#raw.length >= least) {
      const rawLength = Math.min(this.#raw.length, MAX_DATA_BYTES);
      const pieces = this.#raw.take(rawLength);
      const [first] = pieces;
      const bytes = pieces.length === 1 && first !== undefined ? first : Buffer.concat(pieces, rawLength);
      this.#ready.push({ encoding: 'raw', rawLength, bytes });
    }
  }
}
