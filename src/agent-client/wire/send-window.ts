import { ProtocolViolationError } from '../../errors/connection.ts';
import type { WindowFrame } from './frame.ts';

/** How far a stream may be sent, as its receiver allows. */
export class SendWindow {
  #sent: number;
  #acknowledged: number;
  #limit: number;
  #closed = false;
  #failure: { readonly reason: unknown } | undefined;
  #wake: (() => void) | undefined;

  /** Nothing may be sent until the receiver says so. */
  constructor(from: number) {
    this.#sent = from;
    this.#acknowledged = from;
    this.#limit = from;
  }

  /** The offset of the next byte to send. */
  get sent(): number {
    return this.#sent;
  }

  /** The offset up to which the receiver has dealt with the bytes. */
  get acknowledged(): number {
    return this.#acknowledged;
  }

  /** Whether the receiver has to acknowledge something: it does so at the latest when a quarter of the window is dealt with. */
  get isOwed(): boolean {
    return this.#sent - this.#acknowledged > (this.#limit - this.#acknowledged) / 4;
  }

  /** @throws ProtocolViolationError - it goes back, or acknowledges what was not sent */
  update({ stream, acknowledged, limit }: WindowFrame): void {
    if (acknowledged < this.#acknowledged || limit < this.#limit)
      throw new ProtocolViolationError(`the window of stream ${stream} goes back`);
    if (acknowledged > this.#sent)
      throw new ProtocolViolationError(
        `stream ${stream} is acknowledged up to ${acknowledged}, but was sent up to ${this.#sent}`,
      );
    this.#acknowledged = acknowledged;
    this.#limit = limit;
    this.#wake?.();
  }

  /**
   * Waits for room, and takes it: how many of `want` bytes may be sent now. Less than `want` only where that is a fair part of the window, so that a full
   * window does not lead to many small frames. 0 after `close`. One call at a time.
   */
  async reserve(want: number): Promise<number> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure.reason;
      if (this.#closed) return 0;
      const room = this.#limit - this.#sent;
      // The receiver acknowledges at the latest when a quarter is dealt with: with more than three quarters on the way, waiting for it is safe.
      if (room > 0 && room >= Math.min(want, Math.ceil((this.#limit - this.#acknowledged) / 4))) {
        const granted = Math.min(want, room);
        this.#sent += granted;
        return granted;
      }
      await this.#change();
    }
  }

  /** Waits for room for all of it, and takes it: for bytes that cannot be parted, and are fewer than a quarter of any window. One call at a time. */
  async reserveWhole(bytes: number): Promise<void> {
    while (this.#limit - this.#sent < bytes) {
      if (this.#failure !== undefined) throw this.#failure.reason;
      await this.#change();
    }
    if (this.#failure !== undefined) throw this.#failure.reason;
    this.#sent += bytes;
  }

  /** Nothing more will be sent: who waits gets 0. */
  close(): void {
    this.#closed = true;
    this.#wake?.();
  }

  /** Nothing more can be sent: who waits, or will, rejects with the reason. */
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
