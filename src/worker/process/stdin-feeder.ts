import type { Attachment, StdinTurn } from '../../agent-client/process/attachment.ts';
import type { StdinBuffer, StdinPiece } from './stdin-buffer.ts';

export interface StdinFeederOptions {
  readonly stdin: StdinBuffer;
  /**
   * Whether the host's first byte is the command's first byte, or its next byte when feeding
   * begins.
   */
  readonly stdinFrom: 'start' | 'here';
  /** Called when the host's stream fails, or is not the stdin that the command has read so far. */
  readonly failed: (cause: unknown) => void;
}

/** The part of an attachment that receives stdin. */
export type StdinTarget = Pick<Attachment, 'sendStdin' | 'endStdin' | 'stdinAcknowledged' | 'stdinSent'>;

/**
 * Feeds the command's stdin over successive attachments, but only during the attachment's turn:
 * another host may take over stdin, and the turn returns when that host detaches. The agent reports
 * at each turn how many bytes it has.
 */
export class StdinFeeder {
  readonly #options: StdinFeederOptions;
  #turn = 0;
  #target: StdinTarget | undefined;
  #hasBegun = false;
  /** The offset up to which bytes of this host were sent. */
  #sentBytes = 0;

  constructor(options: StdinFeederOptions) {
    this.#options = options;
  }

  /** Handles the beginning or the end of the attachment's turn. */
  onTurn(target: StdinTarget, turn: StdinTurn | undefined): void {
    this.stop();
    if (turn === undefined || turn.ended) return;
    this.#target = target;
    this.#place(turn.from);
    void this.#feed(target, turn.from, this.#turn);
  }

  /** Sends nothing more until the next turn. */
  stop(): void {
    if (this.#target !== undefined) this.#sentBytes = Math.max(this.#sentBytes, this.#target.stdinSent);
    this.#target = undefined;
    this.#turn += 1;
  }

  /**
   * Places the unsent bytes of this host after the bytes of other hosts, unless all hosts provide
   * the same stdin.
   */
  #place(from: number): void {
    const { stdin, stdinFrom } = this.#options;
    if (stdinFrom === 'here') {
      if (!this.#hasBegun) stdin.beginAt(from);
      else if (from > this.#sentBytes) stdin.move(this.#sentBytes, from);
    }
    this.#hasBegun = true;
    this.#sentBytes = Math.max(this.#sentBytes, from);
    stdin.acknowledge(from);
  }

  async #feed(target: StdinTarget, from: number, turn: number): Promise<void> {
    const { stdin } = this.#options;
    for (let offset = from; ; ) {
      const piece = await this.#pieceAt(offset, turn);
      if (piece === undefined || turn !== this.#turn) return;
      try {
        if ('endAt' in piece) {
          await target.endStdin();
          return;
        }
        await target.sendStdin(piece.bytes);
      } catch {
        return; // The attachment is lost; the next attachment continues.
      }
      if (turn !== this.#turn) return;
      offset += piece.bytes.byteLength;
      stdin.acknowledge(target.stdinAcknowledged);
    }
  }

  async #pieceAt(offset: number, turn: number): Promise<StdinPiece | undefined> {
    try {
      return await this.#options.stdin.pieceAt(offset);
    } catch (cause) {
      if (turn === this.#turn) this.#options.failed(cause);
      return undefined;
    }
  }
}
