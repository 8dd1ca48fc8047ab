import { setTimeout as sleep } from 'node:timers/promises';

import { type WireFrame, WireReader, type WireType, wireFrame } from '../agent-wire.ts';
import { type Damage, Damaged } from './damage.ts';

/** What happens to the bytes of one direction. Offsets count the bytes that have passed in this direction, after the damage to frames. */
export interface DirectionPlan<Happening> {
  /** What happens as soon as exactly so many bytes have passed, in the order given. */
  readonly after?: readonly (readonly [bytes: number, happening: Happening])[];
  /** What happens before the agent's first frame of a type passes. */
  readonly beforeFrame?: readonly [type: WireType, happening: Happening];
  /** What happens when it has passed. */
  readonly afterFrame?: readonly [type: WireType, happening: Happening];
  /** The byte at this offset arrives inverted. */
  readonly flipByte?: number;
  /** Damage to the agent's DATA frames. */
  readonly dataFrames?: Damage;
  /** Passes on pieces of at most so many bytes. */
  readonly pieceBytes?: number;
  readonly bytesPerSecond?: number;
}

/** Where the bytes of a line come out. */
export interface LineEnd<Happening> {
  readonly pass: (bytes: Buffer) => void | Promise<void>;
  readonly happen: (happening: Happening) => void | Promise<void>;
}

/** One direction of a connection, which does to its bytes what a plan says. */
export class FaultLine<Happening> {
  readonly #plan: DirectionPlan<Happening>;
  readonly #end: LineEnd<Happening>;
  readonly #marks: (readonly [number, Happening])[];
  /** Takes the agent's frames apart, where the plan is about them. */
  readonly #reader: WireReader | undefined;
  readonly #damaged: Damaged<WireFrame>;
  readonly #seen = new Set<WireType>();
  #closed = false;
  /** How many bytes have come out. */
  passedBytes = 0;
  /** Something that happens is not over yet. */
  isHeld = false;

  constructor(plan: DirectionPlan<Happening>, end: LineEnd<Happening>) {
    this.#plan = plan;
    this.#end = end;
    this.#marks = [...(plan.after ?? [])].sort(([a], [b]) => a - b);
    this.#damaged = new Damaged(plan.dataFrames);
    const { beforeFrame, afterFrame, dataFrames } = plan;
    this.#reader = (beforeFrame ?? afterFrame ?? dataFrames) === undefined ? undefined : new WireReader();
  }

  /** Resolves when all of it has come out, and what happens because of it has happened. The next call comes after that. */
  async push(chunk: Buffer): Promise<void> {
    if (this.#reader === undefined) await this.#push(chunk);
    else for (const frame of this.#reader.push(chunk)) await this.#pushFrame(frame);
  }

  /** What happens when so many more bytes have passed. */
  inBytes(bytes: number, happening: Happening): void {
    this.#marks.push([this.passedBytes + bytes, happening]);
    this.#marks.sort(([a], [b]) => a - b);
  }

  /** Nothing comes out any more. */
  close(): void {
    this.#closed = true;
  }

  async #pushFrame(frame: WireFrame): Promise<void> {
    const { beforeFrame, afterFrame } = this.#plan;
    const isFirst = !this.#seen.has(frame.type);
    this.#seen.add(frame.type);
    if (isFirst && beforeFrame?.[0] === frame.type) await this.#happen(beforeFrame[1]);
    const seen = frame.type === 'DATA' ? this.#damaged.push(frame) : [frame];
    for (const { type, payload, flags } of seen) await this.#push(wireFrame(type, payload, flags));
    if (isFirst && afterFrame?.[0] === frame.type) await this.#happen(afterFrame[1]);
  }

  async #push(bytes: Buffer): Promise<void> {
    const { pieceBytes = Number.POSITIVE_INFINITY, bytesPerSecond } = this.#plan;
    await this.#reach();
    for (let rest = bytes; rest.length > 0 && !this.#closed; await this.#reach()) {
      const untilMark = (this.#marks[0]?.[0] ?? Number.POSITIVE_INFINITY) - this.passedBytes;
      const piece = rest.subarray(0, Math.min(pieceBytes, untilMark));
      rest = rest.subarray(piece.length);
      await this.#end.pass(this.#flipped(piece));
      this.passedBytes += piece.length;
      if (bytesPerSecond !== undefined) await sleep((piece.length * 1000) / bytesPerSecond);
    }
  }

  async #reach(): Promise<void> {
    for (let [mark] = this.#marks; mark !== undefined && mark[0] <= this.passedBytes; [mark] = this.#marks) {
      this.#marks.shift();
      await this.#happen(mark[1]);
    }
  }

  async #happen(happening: Happening): Promise<void> {
    if (this.#closed) return;
    this.isHeld = true;
    await this.#end.happen(happening);
    this.isHeld = false;
  }

  #flipped(piece: Buffer): Buffer {
    const at = (this.#plan.flipByte ?? -1) - this.passedBytes;
    if (at < 0 || at >= piece.length) return piece;
    const flipped = Buffer.from(piece);
    flipped[at]! ^= 0xff;
    return flipped;
  }
}
