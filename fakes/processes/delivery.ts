import type { Writable } from 'node:stream';

import type { ProcessIO, UndeliveredOutput } from '../../src/index.ts';
import type { OutputLog } from './output-log.ts';

/** One stream of an attachment: delivers the output of a command to the host. */
export class Delivery {
  readonly #stream: 'stdout' | 'stderr';
  readonly #log: OutputLog;
  readonly #writable: Writable | undefined;
  readonly #output: ProcessIO['output'];
  readonly #detached: PromiseWithResolvers<undefined> = Promise.withResolvers<undefined>();
  readonly #failed: PromiseWithResolvers<void> = Promise.withResolvers<void>();
  #isDetached = false;
  #isWriting = false;
  #position: number;
  #failure: UndeliveredOutput | undefined;

  constructor(stream: 'stdout' | 'stderr', log: OutputLog, from: number, io: ProcessIO) {
    this.#stream = stream;
    this.#log = log;
    this.#position = from;
    this.#writable = io[stream];
    this.#output = io.output;
  }

  /** The offset up to which output was accepted. */
  get position(): number {
    return this.#position;
  }

  get failure(): UndeliveredOutput | undefined {
    return this.#failure;
  }

  /**
   * Resolves when the command has ended and the host has accepted all output or has failed, or
   * after `detach`.
   */
  async run(): Promise<void> {
    const writable = this.#writable;
    writable?.on('error', this.#fail).on('close', this.#onClose);
    for (;;) {
      const chunk = await Promise.race([this.#log.read(this.#position), this.#detached.promise]);
      if (chunk === undefined || this.#isDetached) break;
      if (writable !== undefined) await this.#write(writable, chunk);
      if (this.#output !== undefined) await this.#pass(this.#output, chunk);
      // A chunk that `output` has not accepted is delivered again by the next attachment.
      if (this.#output === undefined || !this.#isDetached) this.#position += chunk.byteLength;
    }
    writable?.off('error', this.#fail).off('close', this.#onClose);
    // A failed writable may still emit its error, which is already recorded.
    if (this.#failure !== undefined && writable?.closed === false) writable.once('error', () => undefined);
  }

  /** Stops the delivery. `run` resolves, and the position is then final. */
  detach(): void {
    this.#isDetached = true;
    this.#detached.resolve(undefined);
  }

  /** Resolves when the writable has accepted the chunk or has failed, or after `detach`. */
  async #write(writable: Writable, chunk: Uint8Array): Promise<void> {
    if (this.#failure !== undefined) return;
    if (writable.destroyed || writable.writableEnded)
      return this.#fail(writable.errored ?? new Error(`${this.#stream} of the host is closed`));
    this.#isWriting = true;
    const accepted = new Promise<void>((resolve) => {
      writable.write(chunk, (error) => {
        if (error) this.#fail(error);
        resolve();
      });
    });
    await Promise.race([accepted, this.#failed.promise, this.#detached.promise]);
    this.#isWriting = false;
  }

  /** Resolves when the function has accepted the chunk or has failed, or after `detach`. */
  async #pass(output: NonNullable<ProcessIO['output']>, bytes: Uint8Array): Promise<void> {
    if (this.#failure !== undefined) return;
    const accepted = (async () => output({ stream: this.#stream, offset: this.#position, bytes }))();
    await Promise.race([accepted.catch(this.#fail), this.#detached.promise]);
  }

  readonly #fail = (cause: unknown): void => {
    this.#failure ??= { stream: this.#stream, cause };
    this.#failed.resolve();
  };

  readonly #onClose = (): void => {
    if (this.#isWriting) this.#fail(new Error(`${this.#stream} of the host was closed before all writes completed`));
  };
}
