import { createHash, type Hash } from 'node:crypto';

import type { OperationChannel } from '../session/agent-session.ts';
import { encodeDataFrame, FrameType, MAX_DATA_BYTES, type WindowFrame } from '../wire/frame.ts';
import { SendWindow } from '../wire/send-window.ts';

/** The most bytes of stdin that are sent and not acknowledged, whatever the agent allows: the host keeps them in memory. */
const MAX_UNACKNOWLEDGED_BYTES: number = 8 * 1024 * 1024;

/** Stdin on its way to the agent, from the offset at which the attachment began to feed it, within the agent's window. */
export class StdinLine {
  readonly #channel: OperationChannel;
  readonly #window: SendWindow;
  readonly #hash: Hash = createHash('sha256');
  #turn: Promise<void> = Promise.resolve();

  constructor(channel: OperationChannel, from: number) {
    this.#channel = channel;
    this.#window = new SendWindow(from);
  }

  get acknowledged(): number {
    return this.#window.acknowledged;
  }

  get sent(): number {
    return this.#window.sent;
  }

  /** @throws ProtocolViolationError */
  update(frame: WindowFrame): void {
    this.#window.update({ ...frame, limit: Math.min(frame.limit, frame.acknowledged + MAX_UNACKNOWLEDGED_BYTES) });
  }

  async send(chunk: Uint8Array): Promise<void> {
    await this.#inTurn(async () => {
      let rest = chunk;
      while (rest.byteLength > 0) {
        const rawLength = await this.#window.reserve(Math.min(rest.byteLength, MAX_DATA_BYTES));
        if (rawLength === 0) return;
        const bytes = rest.subarray(0, rawLength);
        this.#hash.update(bytes);
        const offset = this.#window.sent - rawLength;
        await this.#channel.write(encodeDataFrame({ stream: 0, offset, rawLength, encoding: 'raw' }, [bytes]));
        rest = rest.subarray(rawLength);
      }
    });
  }

  async end(): Promise<void> {
    await this.#inTurn(async () => {
      this.#channel.send({ type: FrameType.END, stream: 0, total: this.#window.sent, digest: this.#hash.digest() });
      return Promise.resolve();
    });
  }

  /** Nothing more is sent: what waits, or comes later, is dropped. */
  close(): void {
    this.#window.close();
  }

  /** Nothing more can be sent: what waits, or comes later, rejects with the reason. */
  fail(reason: unknown): void {
    this.#window.fail(reason);
  }

  async #inTurn(send: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(send);
    this.#turn = turn.catch(() => undefined);
    await turn;
  }
}
