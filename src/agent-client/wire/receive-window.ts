import { ProtocolViolationError } from '../../errors/connection.ts';
import { type DataFrame, FrameType, MAX_DATA_BYTES, type StreamId, type WindowFrame } from './frame.ts';

/** The most that is dealt with before it is acknowledged: the queues on the way are deep, and a sender that waits for a late word stands still. */
const ACKNOWLEDGE_BYTES: number = 1024 * 1024;

export interface ReceiveWindowOptions {
  readonly stream: StreamId;
  /** The offset at which the stream goes on. */
  readonly from: number;
  /** The most bytes that may be on the way, or here and not yet dealt with. */
  readonly windowBytes: number;
  readonly send: (frame: WindowFrame) => void;
}

/** How far a stream that we receive may be sent, which bounds what is held of it in memory. */
export class ReceiveWindow {
  readonly #options: ReceiveWindowOptions;
  readonly #stepBytes: number;
  #received: number;
  #acknowledged: number;

  /** Gives the first credit. */
  constructor(options: ReceiveWindowOptions) {
    this.#options = options;
    this.#stepBytes = Math.min(ACKNOWLEDGE_BYTES, Math.ceil(options.windowBytes / 4));
    this.#received = options.from;
    this.#acknowledged = options.from;
    this.#say(options.from, false);
  }

  /** The offset up to which bytes have come. */
  get received(): number {
    return this.#received;
  }

  /** Whether a sender has no fair part of the window left, and so waits. */
  get isSpent(): boolean {
    const { windowBytes } = this.#options;
    return this.#acknowledged + windowBytes - this.#received < Math.min(MAX_DATA_BYTES, Math.ceil(windowBytes / 4));
  }

  /** @throws ProtocolViolationError - the bytes do not continue the stream, or are more than was allowed */
  accept({ stream, offset, rawLength }: DataFrame): void {
    if (offset !== this.#received)
      throw new ProtocolViolationError(`stream ${stream} goes on at ${offset}, not at ${this.#received}`);
    const limit = this.#acknowledged + this.#options.windowBytes;
    if (offset + rawLength > limit)
      throw new ProtocolViolationError(`stream ${stream} goes up to ${offset + rawLength}, but ${limit} was allowed`);
    this.#received += rawLength;
  }

  /** Gives the credit once more, over another connection. */
  repeat(): void {
    this.#say(this.#acknowledged, false);
  }

  /** Whether it is worth a frame to tell the sender that everything below the offset was dealt with. */
  isWorthSaying(offset: number): boolean {
    return offset - this.#acknowledged >= this.#stepBytes;
  }

  /** Everything below the offset was dealt with: tells the sender when that is worth a frame. */
  dealtWith(offset: number): void {
    if (this.isWorthSaying(offset)) this.#say(offset, false);
  }

  /** Everything below the offset, which was dealt with, is stored as well. */
  stored(offset: number): void {
    this.#say(offset, true);
  }

  #say(acknowledged: number, durable: boolean): void {
    this.#acknowledged = Math.max(this.#acknowledged, acknowledged);
    this.#options.send({
      type: FrameType.WINDOW,
      stream: this.#options.stream,
      acknowledged,
      limit: this.#acknowledged + this.#options.windowBytes,
      durable,
    });
  }
}
