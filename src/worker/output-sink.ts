import type { Writable } from 'node:stream';

import { ChangeSignal } from '../internal/change-signal.ts';
import type { UndeliveredOutput } from '../runtime/process.ts';

/**
 * Delivers one stream of a process's output to a writable of the host, which it never ends. Once that fails or is destroyed, the rest is dropped and
 * the failure kept: the command goes on.
 */
export class OutputSink {
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

  /** Whether it was given more than it has taken. */
  get isBehind(): boolean {
    return this.#pendingWrites > 0;
  }

  /** Resolves when more may be delivered. */
  async deliver(chunk: Uint8Array): Promise<void> {
    const writable = this.#writable;
    if (writable === undefined || !this.#usable(writable)) return;
    this.#pendingWrites += 1;
    const goOn = writable.write(chunk, (error) => {
      if (error) this.fail(error);
      this.#pendingWrites -= 1;
      this.#change.notify();
    });
    while (!goOn && !this.#released && this.#usable(writable) && writable.writableNeedDrain) await this.#change.wait();
  }

  /** Resolves when the writable has taken everything, or has failed. */
  async flush(): Promise<void> {
    while (this.#pendingWrites > 0 && this.#failure === undefined && !this.#released) await this.#change.wait();
  }

  /** The rest is dropped. */
  fail(cause: unknown): void {
    this.#failure ??= {
      stream: this.#stream,
      ...(this.#sidecar === undefined ? {} : { sidecar: this.#sidecar }),
      cause,
    };
    this.#change.notify();
  }

  /** Lets go of the writable. */
  release(): void {
    if (this.#released) return;
    this.#released = true;
    // One that has failed may still have to say so; that is told already, and must not end the host's program.
    if (this.#failure !== undefined && this.#writable?.closed === false) this.#writable.once('error', () => undefined);
    this.#writable?.off('error', this.#onError).off('close', this.#onClose).off('drain', this.#change.notify);
    this.#change.notify();
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
      this.fail(new Error(`${this.#stream} of the host was closed before it had taken everything`));
  };
}
