import type { Readable } from 'node:stream';

import { InvalidSpecError } from '../../errors/caller.ts';
import { ProtocolViolationError } from '../../errors/connection.ts';
import { ChangeSignal } from '../../internal/change-signal.ts';

/** A piece of stdin with its offset, or the end of stdin. */
export type StdinPiece = { readonly offset: number; readonly bytes: Uint8Array } | { readonly endAt: number };

/**
 * Buffers the command's stdin between the host's stream, which can be read once, and connections,
 * which can be lost. Keeps only the bytes that were read and not acknowledged, so that the next
 * attachment continues at the agent's offset. Discards bytes that the agent already has. Never
 * destroys the host's stream: a command may end before its stdin does.
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

  /** The number of bytes in memory. */
  get keptBytes(): number {
    return this.#kept.reduce((sum, { bytes }) => sum + bytes.byteLength, 0);
  }

  /**
   * Resolves with the piece at this offset, when the source has provided it. Resolves with
   * `undefined` after a release. Rejects with the source's own error.
   *
   * @throws ProtocolViolationError - the offset was acknowledged before: the agent has lost the
   *   bytes
   * @throws InvalidSpecError - the source ends before this offset, so it is not the stdin that the
   *   command has read so far
   */
  async pieceAt(offset: number): Promise<StdinPiece | undefined> {
    if (offset < this.#acknowledgedBytes)
      throw new ProtocolViolationError(
        `the agent requests stdin from byte ${offset} after it acknowledged ${this.#acknowledgedBytes} bytes`,
      );
    while (!this.#released) {
      const kept = this.#kept.find((piece) => offset < piece.offset + piece.bytes.byteLength);
      if (kept !== undefined) return { offset, bytes: kept.bytes.subarray(offset - kept.offset) };
      if (this.#ended && offset > this.#readBytes)
        throw new InvalidSpecError(
          'stdin',
          `ends at byte ${this.#readBytes}, but the command already received ${offset} bytes`,
        );
      if (this.#ended) return { endAt: this.#readBytes };
      if (!this.#take()) await this.#change.wait();
    }
    return undefined;
  }

  /**
   * Sets the offset of the source's first byte: the bytes before it came from other hosts. Call it
   * before anything is read.
   */
  beginAt(offset: number): void {
    this.#readBytes = offset;
  }

  /**
   * Moves the bytes from offset `from` on to `to`, because other hosts sent bytes in between.
   * Discards the bytes before `from`.
   */
  move(from: number, to: number): void {
    this.#drop(from);
    this.#kept = this.#kept.map(({ offset, bytes }) => ({ offset: offset + to - from, bytes }));
    this.#readBytes += to - from;
    this.#acknowledgedBytes = to;
  }

  /** Discards the bytes below this offset, which the agent has. */
  acknowledge(offset: number): void {
    this.#acknowledgedBytes = Math.max(this.#acknowledgedBytes, offset);
    this.#drop(offset);
  }

  /** Stops reading and releases the source, without any change to it. */
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

  /**
   * Reads the available bytes and discards those that the agent has. Returns `false` if nothing is
   * available yet.
   */
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
  throw new InvalidSpecError('stdin', 'provides data that is neither bytes nor text');
}
