import { addAbortListener } from 'node:events';

import { ClosedError } from '../../errors/caller.ts';
import { ByteCollector } from '../../internal/byte-collector.ts';
import { ChangeSignal } from '../../internal/change-signal.ts';
import { SharedMemory } from '../../internal/shared-memory.ts';
import type { ArchiveFrame, ArchiveFrames, FramesEnd } from '../../stores/frame-store.ts';
import { transferFailure } from '../wire/agent-error.ts';
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
  readonly #raw = new ByteCollector(MAX_DATA_BYTES);
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
      if (!this.#isPart) this.#flush();
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
    if (encoding === 'raw') this.#collect(bytes);
    else {
      this.#flush();
      this.#ready.push({ encoding, rawLength, bytes, memory: new SharedMemory(bytes) });
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

  /** Copies raw bytes, and makes frames of the largest size of them. */
  #collect(bytes: Uint8Array): void {
    for (let rest = bytes; rest.byteLength > 0; ) {
      const piece = rest.subarray(0, this.#raw.room);
      this.#raw.add(piece);
      rest = rest.subarray(piece.byteLength);
      if (this.#raw.room === 0) this.#flush();
    }
  }

  /** Makes a frame of the raw bytes that are held. */
  #flush(): void {
    const rawLength = this.#raw.length;
    if (rawLength > 0) this.#ready.push({ encoding: 'raw', rawLength, ...this.#raw.take() });
  }
}
