import { ProtocolViolationError } from '../../errors/connection.ts';
import type { SharedMemory } from '../../internal/shared-memory.ts';
import type { OperationChannel } from '../session/agent-session.ts';
import type { EncodedData } from '../wire/data-compression.ts';
import { encodeDataFrame, FrameType } from '../wire/frame.ts';
import type { FeedEnd } from './upload-feed.ts';

/** A DATA frame to send. */
export interface OutgoingFrame extends EncodedData {
  /** The offset of the first raw byte. */
  readonly offset: number;
  readonly rawLength: number;
  /** The memory of the pieces. The outbox releases it when the agent has the bytes. */
  readonly memory?: SharedMemory | undefined;
}

/** The agent's position in an upload, and its capabilities. */
export interface AgentPosition {
  readonly from: number;
  /** Whether the agent has received END. */
  readonly isEnded: boolean;
  /** Whether END may carry the flag that the source has proven its end. */
  readonly takesProof: boolean;
}

/** The number of frames that may be waiting to leave this process. */
const MAX_WRITING = 4;

/**
 * Holds the unacknowledged frames of an upload. Sends them in order, and again over another
 * connection when one is lost. The caller bounds the held bytes by the agent's window.
 */
export class UploadOutbox {
  readonly #written: () => void;
  /** Unacknowledged frames in order. Those before `#next` were passed to the current connection. */
  #frames: OutgoingFrame[] = [];
  #next = 0;
  /**
   * The number of frames that were passed to the current connection and have not left this process.
   */
  #writing = 0;
  #channel: OperationChannel | undefined;
  #total = 0;
  #begin = 0;
  #end: FeedEnd | undefined;
  #takesProof = false;
  #isEndSent = false;
  #room: PromiseWithResolvers<void> | undefined;

  /** @param written - called whenever bytes have left this process */
  constructor(written: () => void) {
    this.#written = written;
  }

  /** The offset of the first byte that is still held. */
  get begin(): number {
    return this.#begin;
  }

  /** Whether END was passed to any connection: the agent may have committed. */
  get isEndSent(): boolean {
    return this.#isEndSent;
  }

  /** Queues the next frame. The promise resolves when there is room for more. */
  add(frame: OutgoingFrame): Promise<void> | undefined {
    this.#frames.push(frame);
    this.#total = frame.offset + frame.rawLength;
    this.#flush();
    if (!this.#isFull) return undefined;
    this.#room ??= Promise.withResolvers<void>();
    return this.#room.promise;
  }

  /** Queues END behind the last frame. */
  end(end: FeedEnd): void {
    this.#end = end;
    this.#flush();
  }

  /** Discards the frames that the agent has acknowledged. */
  acknowledge(offset: number): void {
    while (this.#next > 0) {
      const [first] = this.#frames;
      if (first === undefined || first.offset + first.rawLength > offset) return;
      this.#drop(first);
      this.#next -= 1;
    }
  }

  /** Stops sending after the loss of the connection, until `resume`. */
  disconnect(): void {
    this.#channel = undefined;
  }

  /**
   * Continues over another connection at the agent's position.
   *
   * @throws ProtocolViolationError - the position is not the beginning of a held frame
   */
  resume(channel: OperationChannel, { from, isEnded, takesProof }: AgentPosition): void {
    while (this.#frames[0] !== undefined && this.#frames[0].offset < from) this.#drop(this.#frames[0]);
    const first = this.#frames[0]?.offset ?? this.#total;
    if (first !== from || (isEnded && !this.#isEndSent))
      throw new ProtocolViolationError(`the agent resumes at ${from}, where no frame of the upload begins`);
    this.#channel = channel;
    this.#takesProof = takesProof;
    this.#next = 0;
    this.#writing = 0;
    if (!isEnded) this.#flush();
  }

  #drop(first: OutgoingFrame): void {
    this.#frames.shift();
    this.#begin = first.offset + first.rawLength;
    first.memory?.release();
  }

  get #isFull(): boolean {
    return this.#frames.length - this.#next > 0 || this.#writing > MAX_WRITING;
  }

  #flush(): void {
    const channel = this.#channel;
    if (channel === undefined) return;
    while (this.#writing <= MAX_WRITING) {
      const frame = this.#frames[this.#next];
      if (frame === undefined) break;
      this.#next += 1;
      this.#writing += 1;
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
      this.#channel = undefined; // Everything was sent.
    }
    if (this.#isFull) return;
    this.#room?.resolve();
    this.#room = undefined;
  }

  async #send(channel: OperationChannel, { offset, rawLength, encoding, pieces }: OutgoingFrame): Promise<void> {
    try {
      await channel.write(encodeDataFrame({ stream: 0, offset, rawLength, encoding }, pieces));
    } catch {
      return; // The end of the connection reports the reason.
    }
    if (this.#channel !== channel) return;
    this.#writing -= 1;
    this.#written();
    this.#flush();
  }
}
