import { ProtocolViolationError } from '../../errors/connection.ts';
import { type DataFrame, FrameType, MAX_DATA_BYTES, type StreamId, type WindowFrame } from './frame.ts';

/**
 * The maximum number of consumed bytes before an acknowledgement. The queues between the ends are
 * deep, and a late acknowledgement would stall the sender.
 */
const ACKNOWLEDGE_BYTES: number = 1024 * 1024;

export interface ReceiveWindowOptions {
  readonly stream: StreamId;
  /** The offset at which the stream starts or resumes. */
  readonly from: number;
  /** The maximum number of bytes that may be in flight, or received and not yet consumed. */
  readonly windowBytes: number;
  readonly send: (frame: WindowFrame) => void;
}

/** The flow control of a received stream. It bounds the bytes held in memory. */
export class ReceiveWindow {
  readonly #options: ReceiveWindowOptions;
  readonly #stepBytes: number;
  #received: number;
  #acknowledged: number;

  /** Sends the first WINDOW. */
  constructor(options: ReceiveWindowOptions) {
    this.#options = options;
    this.#stepBytes = Math.min(ACKNOWLEDGE_BYTES, Math.ceil(options.windowBytes / 4));
    this.#received = options.from;
    this.#acknowledged = options.from;
    this.#sendWindow(options.from, false);
  }

  /** The offset up to which bytes were received. */
  get received(): number {
    return this.#received;
  }

  /** Whether the rest of the window is so small that the sender waits. */
  get isSpent(): boolean {
    const { windowBytes } = this.#options;
    return this.#acknowledged + windowBytes - this.#received < Math.min(MAX_DATA_BYTES, Math.ceil(windowBytes / 4));
  }

  /** @throws ProtocolViolationError - the bytes do not continue the stream, or exceed the window */
  accept({ stream, offset, rawLength }: DataFrame): void {
    if (offset !== this.#received)
      throw new ProtocolViolationError(`stream ${stream} continues at ${offset}, not at ${this.#received}`);
    const limit = this.#acknowledged + this.#options.windowBytes;
    if (offset + rawLength > limit)
      throw new ProtocolViolationError(`stream ${stream} extends to ${offset + rawLength}, beyond its limit ${limit}`);
    this.#received += rawLength;
  }

  /** Sends the current WINDOW again, over another connection. */
  repeat(): void {
    this.#sendWindow(this.#acknowledged, false);
  }

  /** Whether enough bytes were consumed to send a WINDOW. */
  isWorthSending(offset: number): boolean {
    return offset - this.#acknowledged >= this.#stepBytes;
  }

  /**
   * Records that the bytes below the offset were consumed. Sends a WINDOW if that is worth a frame.
   */
  consumed(offset: number): void {
    if (this.isWorthSending(offset)) this.#sendWindow(offset, false);
  }

  /** Reports that the consumed bytes below the offset are stored as well. */
  stored(offset: number): void {
    this.#sendWindow(offset, true);
  }

  #sendWindow(acknowledged: number, durable: boolean): void {
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
