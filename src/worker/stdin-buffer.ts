import type { Readable } from 'node:stream';

import { InvalidSpecError } from '../errors/caller.ts';
import { ProtocolViolationError } from '../errors/connection.ts';
import { ChangeSignal } from '../internal/change-signal.ts';

/** A piece of stdin at its offset, or the end of it. */
export type StdinPiece = { readonly offset: number; readonly bytes: Uint8Array } | { readonly endAt: number };

/**
 * The command's stdin between the host's stream, which can be read once, and connections, which can be lost: keeps what was read and not acknowledged, so that the next
 * attachment continues where the agent is, and nothing else. What the agent has already is read and dropped.
 * The host's stream is never destroyed: a command may end before its stdin does.
 */
export class StdinBuffer {
  readonly #source: Readable;
  #kept: { readonly offset: number; readonly bytes: Uint8Array }[] = [];
  #acknowledgedBytes = 0;
  #readBytes = 0;
  #ended = false;
  #released = false;
  readonly #change = new ChangeSignal();

  constructor(source: Readable) {
    this.#source = source;
    for (const event of ['readable', 'end', 'error', 'close'] as const) source.on(event, this.#change.notify);
  }

  /** How many bytes are kept in memory. */
  get keptBytes(): number {
    return this.#kept.reduce((sum, { bytes }) => sum + bytes.byteLength, 0);
  }

  /**
   * What comes at this offset, waiting for the source if need be; `undefined` after a release. Rejects with the source's own error.
   *
   * @throws ProtocolViolationError - what is asked for was acknowledged before: the agent has lost it
   * @throws InvalidSpecError - the source ends before this offset, so that it is not the stdin that the command had so far
   */
  async pieceAt(offset: number): Promise<StdinPiece | undefined> {
    if (offset < this.#acknowledgedBytes)
      throw new ProtocolViolationError(
        `stdin from byte ${offset} is wanted, and ${this.#acknowledgedBytes} were acknowledged`,
      );
    while (!this.#released) {
      const kept = this.#kept.find((piece) => offset < piece.offset + piece.bytes.byteLength);
      if (kept !== undefined) return { offset, bytes: kept.bytes.subarray(offset - kept.offset) };
      if (this.#ended && offset > this.#readBytes)
        throw new InvalidSpecError(
          'stdin',
          `ends at byte ${this.#readBytes}, and the command was given ${offset} bytes before`,
        );
      if (this.#ended) return { endAt: this.#readBytes };
      if (!this.#take()) await this.#change.wait();
    }
    return undefined;
  }

  /** What the source gives first is at this offset: the bytes before were somebody else's. To be called before anything is read. */
  beginAt(offset: number): void {
    this.#readBytes = offset;
  }

  /** What was at `from` is at `to` instead, and so are all bytes after it: others gave the command bytes in between. What was before it is dropped. */
  move(from: number, to: number): void {
    this.#drop(from);
    this.#kept = this.#kept.map(({ offset, bytes }) => ({ offset: offset + to - from, bytes }));
    this.#readBytes += to - from;
    this.#acknowledgedBytes = to;
  }

  /** The agent has everything below this offset. */
  acknowledge(offset: number): void {
    this.#acknowledgedBytes = Math.max(this.#acknowledgedBytes, offset);
    this.#drop(offset);
  }

  /** Nothing more is read: the source stays as it is. */
  release(): void {
    this.#released = true;
    for (const event of ['readable', 'end', 'error', 'close'] as const) this.#source.off(event, this.#change.notify);
    this.#change.notify();
  }

  #drop(below: number): void {
    this.#kept = this.#kept
      .filter((piece) => piece.offset + piece.bytes.byteLength > below)
      .map((piece) =>
        piece.offset >= below ? piece : { offset: below, bytes: piece.bytes.subarray(below - piece.offset) },
      );
  }

  /** Takes what the source has now, but for what the agent has. `false`: it has nothing yet. */
  #take(): boolean {
    const source = this.#source;
    const chunk: unknown = source.read();
    if (chunk !== null) {
      const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : asBytes(chunk);
      this.#kept.push({ offset: this.#readBytes, bytes });
      this.#readBytes += bytes.byteLength;
      this.#drop(this.#acknowledgedBytes);
      return true;
    }
    if (source.errored) throw source.errored;
    if (source.readableEnded) this.#ended = true;
    else if (source.destroyed) throw new Error('stdin was destroyed before its end');
    return this.#ended;
  }
}

function asBytes(chunk: unknown): Uint8Array {
  if (chunk instanceof Uint8Array) return chunk;
  throw new InvalidSpecError('stdin', 'gives something that is neither bytes nor text');
}
