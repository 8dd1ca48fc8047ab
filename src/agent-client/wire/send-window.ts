import { ProtocolViolationError } from '../../errors/connection.ts';
import type { WindowFrame } from './frame.ts';

/** The flow control of a sent stream: how far its receiver allows to send. */
export class SendWindow {
  #sent: number;
  #acknowledged: number;
  #limit: number;
  #closed = false;
  #failure: { readonly reason: unknown } | undefined;
  #wake: (() => void) | undefined;

  /** Starts without credit: the receiver's first WINDOW grants it. */
  constructor(from: number) {
    this.#sent = from;
    this.#acknowledged = from;
    this.#limit = from;
  }

  /** The offset of the next byte to send. */
  get sent(): number {
    return this.#sent;
  }

  /** The offset up to which the receiver has consumed the bytes. */
  get acknowledged(): number {
    return this.#acknowledged;
  }

  /**
   * Whether the receiver has to send an acknowledgement: it must do so before more than a quarter
   * of the window is consumed.
   */
  get isAcknowledgementDue(): boolean {
    return this.#sent - this.#acknowledged > (this.#limit - this.#acknowledged) / 4;
  }

  /**
   * @throws ProtocolViolationError - the window moves back, or acknowledges bytes that were not
   * sent
   */
  update({ stream, acknowledged, limit }: WindowFrame): void {
    if (acknowledged < this.#acknowledged || limit < this.#limit)
      throw new ProtocolViolationError(`the window of stream ${stream} moves back`);
    if (acknowledged > this.#sent)
      throw new ProtocolViolationError(
        `stream ${stream} is acknowledged up to ${acknowledged}, but only sent up to ${this.#sent}`,
      );
    this.#acknowledged = acknowledged;
    this.#limit = limit;
    this.#wake?.();
  }

  /**
   * Waits for room and reserves it. Returns how many of `want` bytes may be sent now: less than
   * `want` only if that is a fair part of the window, so that a full window does not cause many
   * small frames; 0 after `close`. One call at a time.
   */
  async reserve(want: number): Promise<number> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure.reason;
      if (this.#closed) return 0;
      const room = this.#limit - this.#sent;
      // The receiver acknowledges before more than a quarter of the window is consumed. With more
      // than three quarters in flight, waiting for the acknowledgement is safe.
      if (room > 0 && room >= Math.min(want, Math.ceil((this.#limit - this.#acknowledged) / 4))) {
        const granted = Math.min(want, room);
        this.#sent += granted;
        return granted;
      }
      await this.#change();
    }
  }

  /**
   * Waits for room for all bytes and reserves it, for bytes that cannot be split and are fewer than
   * a quarter of any window. One call at a time.
   */
  async reserveWhole(bytes: number): Promise<void> {
    while (this.#limit - this.#sent < bytes) {
      if (this.#failure !== undefined) throw this.#failure.reason;
      await this.#change();
    }
    if (this.#failure !== undefined) throw this.#failure.reason;
    this.#sent += bytes;
  }

  /** Stops sending. Waiting and later `reserve` calls return 0. */
  close(): void {
    this.#closed = true;
    this.#wake?.();
  }

  /** Stops sending. Waiting and later calls reject with the reason. */
  fail(reason: unknown): void {
    this.#failure ??= { reason };
    this.#wake?.();
  }

  async #change(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
  }
}
