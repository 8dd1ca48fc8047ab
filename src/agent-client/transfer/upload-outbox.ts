import { ProtocolViolationError } from '../../errors/connection.ts';
import type { OperationChannel } from '../session/agent-session.ts';
import type { EncodedData } from '../wire/data-compression.ts';
import { encodeDataFrame, FrameType } from '../wire/frame.ts';
import type { FeedEnd } from './upload-feed.ts';

/** A DATA frame on its way. */
export interface OutgoingFrame extends EncodedData {
  /** Of the first raw byte. */
  readonly offset: number;
  readonly rawLength: number;
}

/** Where an agent is in an upload, and what it understands. */
export interface AgentPosition {
  readonly from: number;
  readonly isEnded: boolean;
  readonly takesProof: boolean;
}

/** How many frames may be on their way out of this process. */
const MAX_LEAVING = 4;

/**
 * The frames of an upload that the agent has not acknowledged: they leave in their order, and once more over another connection where one is lost. What
 * it holds is bounded by whoever adds to it, who keeps to the agent's window.
 */
export class UploadOutbox {
  readonly #left: () => void;
  /** Unacknowledged, in their order; those before `#next` were given to the present connection. */
  #frames: OutgoingFrame[] = [];
  #next = 0;
  /** Given to the present connection, and still in this process. */
  #leaving = 0;
  #channel: OperationChannel | undefined;
  #total = 0;
  #begin = 0;
  #end: FeedEnd | undefined;
  #takesProof = false;
  #isEndSent = false;
  #room: PromiseWithResolvers<void> | undefined;

  /** @param left - called whenever bytes have left this process */
  constructor(left: () => void) {
    this.#left = left;
  }

  /** The offset of the first byte that it can still send. */
  get begin(): number {
    return this.#begin;
  }

  /** Whether END has been given to any connection: the agent may have committed. */
  get isEndSent(): boolean {
    return this.#isEndSent;
  }

  /** Takes the next frame; resolves when more are welcome. */
  add(frame: OutgoingFrame): Promise<void> | undefined {
    this.#frames.push(frame);
    this.#total = frame.offset + frame.rawLength;
    this.#flush();
    if (!this.#isFull) return undefined;
    this.#room ??= Promise.withResolvers<void>();
    return this.#room.promise;
  }

  /** There are no more frames. */
  end(end: FeedEnd): void {
    this.#end = end;
    this.#flush();
  }

  /** The agent has dealt with everything before the offset. */
  acknowledge(offset: number): void {
    while (this.#next > 0) {
      const [first] = this.#frames;
      if (first === undefined || first.offset + first.rawLength > offset) return;
      this.#drop(first);
      this.#next -= 1;
    }
  }

  /** The connection is lost: nothing leaves before `goOn`. */
  disconnect(): void {
    this.#channel = undefined;
  }

  /**
   * Continues over another connection at the offset where the agent is. `isEnded`: it has END already. `takesProof`: END may say that its source has proven its end.
   *
   * @throws ProtocolViolationError - it cannot be there
   */
  goOn(channel: OperationChannel, { from, isEnded, takesProof }: AgentPosition): void {
    while (this.#frames[0] !== undefined && this.#frames[0].offset < from) this.#drop(this.#frames[0]);
    const first = this.#frames[0]?.offset ?? this.#total;
    if (first !== from || (isEnded && !this.#isEndSent))
      throw new ProtocolViolationError(`the agent goes on at ${from}, where no frame of the upload begins`);
    this.#channel = channel;
    this.#takesProof = takesProof;
    this.#next = 0;
    this.#leaving = 0;
    if (!isEnded) this.#flush();
  }

  #drop(first: OutgoingFrame): void {
    this.#frames.shift();
    this.#begin = first.offset + first.rawLength;
  }

  get #isFull(): boolean {
    return this.#frames.length - this.#next > 0 || this.#leaving > MAX_LEAVING;
  }

  #flush(): void {
    const channel = this.#channel;
    if (channel === undefined) return;
    while (this.#leaving <= MAX_LEAVING) {
      const frame = this.#frames[this.#next];
      if (frame === undefined) break;
      this.#next += 1;
      this.#leaving += 1;
      void this.#send(channel, frame);
    }
    if (this.#end !== undefined && this.#next === this.#frames.length) {
      const { digest, isProven } = this.#end;
      channel.send({
        type: FrameType.END,
        stream: 0,
        total: this.#total,
        digest,
        isProven: isProven && this.#takesProof,
      });
      this.#isEndSent = true;
      this.#channel = undefined; // It has everything.
    }
    if (this.#isFull) return;
    this.#room?.resolve();
    this.#room = undefined;
  }

  async #send(channel: OperationChannel, { offset, rawLength, encoding, pieces }: OutgoingFrame): Promise<void> {
    try {
      await channel.write(encodeDataFrame({ stream: 0, offset, rawLength, encoding }, pieces));
    } catch {
      return; // The connection's end says why.
    }
    if (this.#channel !== channel) return;
    this.#leaving -= 1;
    this.#left();
    this.#flush();
  }
}
