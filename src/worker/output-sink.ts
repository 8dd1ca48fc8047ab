import type { Writable } from 'node:stream';

import { Change } from '../internal/change.ts';
import type { UndeliveredOutput } from '../runtime/process.ts';

/**
 * Delivers one stream of a process's output to a writable of the host, which it never ends. Once that fails or is destroyed, the rest is dropped and
 * the failure kept: the command goes on.
 */
export class OutputSink {
  readonly #stream: 'stdout' | 'stderr';
  readonly #writable: Writable | undefined;
  #deliveredBytes: number;
  #pendingWrites = 0;
  #failure: UndeliveredOutput | undefined;
  readonly #change = new Change();

  constructor(stream: 'stdout' | 'stderr', writable: Writable | undefined, fromBytes: number) {
    this.#stream = stream;
    this.#writable = writable;
    this.#deliveredBytes = fromBytes;
    writable?.on('error', this.#onError).on('close', this.#onClose).on('drain', this.#change.notify);
  }

  /** The offset in the process's stream up to which output was handed over. */
  get deliveredBytes(): number {
    return this.#deliveredBytes;
  }

  get failure(): UndeliveredOutput | undefined {
    return this.#failure;
  }

  /** Delivery goes on at this offset: what the agent could give. */
  continueAt(offset: number): void {
    this.#deliveredBytes = offset;
  }

  /** Resolves when more may be delivered. */
  async deliver(chunk: Uint8Array): Promise<void> {
    this.#deliveredBytes += chunk.byteLength;
    const writable = this.#writable;
    if (writable === undefined || !this.#usable(writable)) return;
    this.#pendingWrites += 1;
    const goOn = writable.write(chunk, () => {
      this.#pendingWrites -= 1;
      this.#change.notify();
    });
    while (!goOn && this.#usable(writable) && writable.writableNeedDrain) await this.#change.wait();
  }

  /** Resolves when the writable has taken everything, or has failed. */
  async flush(): Promise<void> {
    while (this.#pendingWrites > 0 && this.#failure === undefined) await this.#change.wait();
  }

  /** Lets go of the writable. */
  release(): void {
    this.#writable?.off('error', this.#onError).off('close', this.#onClose).off('drain', this.#change.notify);
    this.#change.notify();
  }

  #usable(writable: Writable): boolean {
    if (this.#failure === undefined && (writable.destroyed || writable.writableEnded)) this.#fail(writable.errored ?? new Error(`${this.#stream} of the host is closed`));
    return this.#failure === undefined;
  }

  #fail(cause: unknown): void {
    this.#failure ??= { stream: this.#stream, cause };
    this.#change.notify();
  }

  readonly #onError = (error: unknown): void => {
    this.#fail(error);
  };

  readonly #onClose = (): void => {
    if (this.#pendingWrites > 0) this.#fail(new Error(`${this.#stream} of the host was closed before it had taken everything`));
  };
}
