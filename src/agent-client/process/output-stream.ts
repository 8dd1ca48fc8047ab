import { createHash, type Hash } from 'node:crypto';

import { ProtocolViolationError } from '../../errors/connection.ts';
import { DigestMismatchError } from '../../errors/transfer.ts';
import { DataQueue } from '../wire/data-queue.ts';
import type { DataFrame, EndFrame } from '../wire/frame.ts';
import { ReceiveWindow, type ReceiveWindowOptions } from '../wire/receive-window.ts';

/**
 * Receives output in order, with the offset of its first byte in the stream. The next chunk follows
 * when the promise has resolved. The callee owns the chunk. An error ends the attachment.
 */
export type OutputSink = (chunk: Uint8Array, offset: number) => void | Promise<void>;

export interface OutputStreamOptions extends ReceiveWindowOptions {
  /** Without a sink, output is discarded. */
  readonly sink: OutputSink | undefined;
  readonly failed: (error: unknown) => void;
  /** Called when the sink has accepted a chunk. */
  readonly delivered?: (() => void) | undefined;
}

/** Delivers one output stream of a process. */
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

  /** The offset up to which the sink has accepted the output. */
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
    if (this.#end !== undefined) throw new ProtocolViolationError(`a second END of stream ${frame.stream}`);
    if (frame.total !== this.#window.received)
      throw new ProtocolViolationError(
        `END of stream ${frame.stream} at ${frame.total}, but ${this.#window.received} bytes were received`,
      );
    this.#end = frame;
  }

  /**
   * Reports that the host has stored the delivered output below the offset. The agent may discard
   * it.
   */
  stored(offset: number): void {
    this.#window.stored(Math.min(offset, this.#position));
  }

  /**
   * Resolves when all received output was delivered and its digest was verified. Rejects with
   * `DigestMismatchError`.
   */
  async delivered(): Promise<void> {
    await this.#frames.whenEmpty();
    const sha256 = this.#hash.digest('hex');
    const expected = this.#end?.digest.toString('hex');
    if (expected !== undefined && expected !== sha256)
      throw new DigestMismatchError(
        {},
        `the output of stream ${this.#options.stream} has SHA-256 ${sha256}, the agent sent ${expected}`,
      );
  }

  /** Stops delivery. Resolves when the sink has processed its current chunk. */
  async stop(): Promise<void> {
    this.#frames.stop();
    await this.#delivering?.catch(() => undefined);
  }

  #deliver(bytes: Uint8Array): Promise<void> | undefined {
    this.#hash.update(bytes);
    const taken = this.#options.sink?.(bytes, this.#position);
    if (taken === undefined) {
      this.#consumed(bytes);
      return undefined;
    }
    this.#delivering = taken.then(() => {
      this.#consumed(bytes);
    });
    return this.#delivering;
  }

  #consumed(bytes: Uint8Array): void {
    this.#position += bytes.byteLength;
    this.#window.consumed(this.#position);
    this.#options.delivered?.();
  }
}
