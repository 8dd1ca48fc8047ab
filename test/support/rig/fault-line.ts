import { setTimeout as sleep } from 'node:timers/promises';

import { type WireFrame, WireReader, type WireType, wireFrame } from '../agent/agent-wire.ts';
import { type Damage, Damaged } from './damage.ts';

/** The faults of one direction. Offsets count its passed bytes, after the damage to frames. */
export interface DirectionPlan<Happening> {
  /** Events, each as soon as exactly this many bytes have passed, in order. */
  readonly after?: readonly (readonly [bytes: number, happening: Happening])[];
  /** The event before the agent's first frame of a type passes. */
  readonly beforeFrame?: readonly [type: WireType, happening: Happening];
  /** The event after the agent's first frame of a type has passed. */
  readonly afterFrame?: readonly [type: WireType, happening: Happening];
  /** The offset of a byte that is inverted. */
  readonly flipByte?: number;
  /** Damage to the agent's DATA frames. */
  readonly dataFrames?: Damage;
  /** The largest piece that is passed on. */
  readonly pieceBytes?: number;
  readonly bytesPerSecond?: number;
}

/** The output of a line. */
export interface LineEnd<Happening> {
  readonly pass: (bytes: Buffer) => void | Promise<void>;
  readonly happen: (happening: Happening) => void | Promise<void>;
}

/** One direction of a connection with the faults of a plan. */
export class FaultLine<Happening> {
  readonly #plan: DirectionPlan<Happening>;
  readonly #end: LineEnd<Happening>;
  readonly #marks: (readonly [number, Happening])[];
  /** Splits the agent's frames, if the plan refers to frames. */
  readonly #reader: WireReader | undefined;
  readonly #damaged: Damaged<WireFrame>;
  readonly #seen = new Set<WireType>();
  #closed = false;
  /** The number of passed bytes. */
  passedBytes = 0;
  /** Whether an event is pending. */
  isHeld = false;

  constructor(plan: DirectionPlan<Happening>, end: LineEnd<Happening>) {
    this.#plan = plan;
    this.#end = end;
    this.#marks = [...(plan.after ?? [])].sort(([a], [b]) => a - b);
    this.#damaged = new Damaged(plan.dataFrames);
    const { beforeFrame, afterFrame, dataFrames } = plan;
    this.#reader = (beforeFrame ?? afterFrame ?? dataFrames) === undefined ? undefined : new WireReader();
  }

  /** Resolves when all bytes have passed and their events have resolved. One call at a time. */
  async push(chunk: Buffer): Promise<void> {
    if (this.#reader === undefined) await this.#push(chunk);
    else for (const frame of this.#reader.push(chunk)) await this.#pushFrame(frame);
  }

  /** Adds an event after this many more bytes. */
  inBytes(bytes: number, happening: Happening): void {
    this.#marks.push([this.passedBytes + bytes, happening]);
    this.#marks.sort(([a], [b]) => a - b);
  }

  /** Discards all further bytes. */
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
