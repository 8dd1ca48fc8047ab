import type { Writable } from 'node:stream';

import { ChangeSignal } from '../../internal/change-signal.ts';
import type { UndeliveredOutput } from '../../runtime/process.ts';
import type { ProcessOutputSink } from './process-output-sink.ts';

/**
 * Delivers one stream of a process's output to a writable of the host. It never ends the writable.
 * After the writable fails or is destroyed, the sink discards further output and keeps the failure;
 * the command continues.
 */
export class OutputSink implements ProcessOutputSink {
  readonly #stream: UndeliveredOutput['stream'];
  readonly #sidecar: string | undefined;
  readonly #writable: Writable | undefined;
  #pendingWrites = 0;
  #failure: UndeliveredOutput | undefined;
  #released = false;
  readonly #change = new ChangeSignal();

  constructor(stream: UndeliveredOutput['stream'], writable: Writable | undefined, sidecar?: string) {
    this.#stream = stream;
    this.#sidecar = sidecar;
    this.#writable = writable;
    writable?.on('error', this.#onError).on('close', this.#onClose).on('drain', this.#change.notify);
  }

  get failure(): UndeliveredOutput | undefined {
    return this.#failure;
  }

  /** Whether the writable has writes that have not completed. */
  get isBehind(): boolean {
    return this.#pendingWrites > 0;
  }

  /** Writes the chunk. Resolves when the writable can take more. */
  async deliver(chunk: Uint8Array): Promise<void> {
    const writable = this.#writable;
    if (writable === undefined || !this.#usable(writable)) return;
    this.#pendingWrites += 1;
    const mayContinue = writable.write(chunk, (error) => {
      if (error) this.fail(error);
      this.#pendingWrites -= 1;
      if (this.#released && this.#pendingWrites === 0) this.#detach(writable);
      this.#change.notify();
    });
    while (!mayContinue && !this.#released && this.#usable(writable) && writable.writableNeedDrain)
      await this.#change.wait();
  }

  /** Resolves when all writes have completed, or the writable has failed. */
  async flush(): Promise<void> {
    while (this.#pendingWrites > 0 && this.#failure === undefined && !this.#released) await this.#change.wait();
  }

  /** Records the first failure. Further output is discarded. */
  fail(cause: unknown): void {
    this.#failure ??= {
      stream: this.#stream,
      ...(this.#sidecar === undefined ? {} : { sidecar: this.#sidecar }),
      cause,
    };
    this.#change.notify();
  }

  /**
   * Releases the writable. A write that is pending may still fail, which must not end the host's
   * program: its errors are handled until the write has completed. Idempotent.
   */
  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.#writable?.off('close', this.#onClose).off('drain', this.#change.notify);
    if (this.#writable !== undefined && this.#pendingWrites === 0) this.#detach(this.#writable);
    this.#change.notify();
  }

  /** Removes the listener of errors. A failed writable may still emit its error. */
  #detach(writable: Writable): void {
    if (this.#failure !== undefined && !writable.closed) writable.once('error', () => undefined);
    writable.off('error', this.#onError);
  }

  #usable(writable: Writable): boolean {
    if (this.#failure === undefined && (writable.destroyed || writable.writableEnded))
      this.fail(writable.errored ?? new Error(`${this.#stream} of the host is closed`));
    return this.#failure === undefined;
  }

  readonly #onError = (error: unknown): void => {
    this.fail(error);
  };

  readonly #onClose = (): void => {
    if (this.#pendingWrites > 0)
      this.fail(new Error(`${this.#stream} of the host was closed before all writes completed`));
  };
}
