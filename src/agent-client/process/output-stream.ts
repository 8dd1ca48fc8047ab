import { createHash, type Hash } from 'node:crypto';

import { ProtocolViolationError } from '../../errors/connection.ts';
import { DigestMismatchError } from '../../errors/transfer.ts';
import { DataQueue } from '../wire/data-queue.ts';
import type { DataFrame, EndFrame } from '../wire/frame.ts';
import { ReceiveWindow, type ReceiveWindowOptions } from '../wire/receive-window.ts';

/** Given output in order; the next when the promise has resolved. The chunk is the callee's. What it fails with ends the attachment. */
export type OutputSink = (chunk: Uint8Array) => void | Promise<void>;

export interface OutputStreamOptions extends ReceiveWindowOptions {
  /** Without one, output is dropped. */
  readonly sink: OutputSink | undefined;
  readonly failed: (error: unknown) => void;
  /** Called when the sink has taken more. */
  readonly delivered?: (() => void) | undefined;
}

/** Delivers one stream of a process's output. */
export class OutputStream {
  readonly #options: OutputStreamOptions;
  readonly #window: ReceiveWindow;
  readonly #hash: Hash = createHash('sha256');
  readonly #frames: DataQueue;
  #position: number;
  #end: EndFrame | undefined;
  #delivering: Promise<void> | undefined;

  constructor(options: OutputStreamOptions) {
    this.#options = options;
    this.#position = options.from;
    this.#frames = new DataQueue({ concurrency: 1, take: (bytes) => this.#deliver(bytes), failed: options.failed });
    this.#window = new ReceiveWindow(options);
  }

  /** The offset up to which the sink has taken the output. */
  get position(): number {
    return this.#position;
  }

  get hasEnded(): boolean {
    return this.#end !== undefined;
  }

  /** @throws ProtocolViolationError */
  data(frame: DataFrame): void {
    if (this.#end !== undefined) throw new ProtocolViolationError(`DATA of stream ${frame.stream} after its END`);
    this.#window.accept(frame);
    this.#frames.add(frame);
  }

  /** @throws ProtocolViolationError */
  end(frame: EndFrame): void {
    if (this.#end !== undefined) throw new ProtocolViolationError(`END of stream ${frame.stream} comes twice`);
    if (frame.total !== this.#window.received)
      throw new ProtocolViolationError(
        `END of stream ${frame.stream} at ${frame.total}, but ${this.#window.received} bytes came`,
      );
    this.#end = frame;
  }

  /** The host has stored everything below the offset, which was delivered: the agent may forget it. */
  stored(offset: number): void {
    this.#window.stored(Math.min(offset, this.#position));
  }

  /** Resolves when everything that came was delivered, to the proven end. Rejects with `DigestMismatchError`. */
  async delivered(): Promise<void> {
    await this.#frames.whenEmpty();
    const sha256 = this.#hash.digest('hex');
    const told = this.#end?.digest.toString('hex');
    if (told !== undefined && told !== sha256)
      throw new DigestMismatchError(
        {},
        `the output of stream ${this.#options.stream} has SHA-256 ${sha256}, the agent sent ${told}`,
      );
  }

  /** Delivers nothing more; resolves when the sink has done with what it was given. */
  async stop(): Promise<void> {
    this.#frames.stop();
    await this.#delivering?.catch(() => undefined);
  }

  #deliver(bytes: Uint8Array): Promise<void> | undefined {
    this.#hash.update(bytes);
    const taken = this.#options.sink?.(bytes);
    if (taken === undefined) {
      this.#dealtWith(bytes);
      return undefined;
    }
    this.#delivering = taken.then(() => {
      this.#dealtWith(bytes);
    });
    return this.#delivering;
  }

  #dealtWith(bytes: Uint8Array): void {
    this.#position += bytes.byteLength;
    this.#window.dealtWith(this.#position);
    this.#options.delivered?.();
  }
}
