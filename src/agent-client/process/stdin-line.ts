import { createHash, type Hash } from 'node:crypto';

import type { OperationChannel } from '../session/agent-session.ts';
import { encodeDataFrame, FrameType, MAX_DATA_BYTES, type WindowFrame } from '../wire/frame.ts';
import { SendWindow } from '../wire/send-window.ts';

/**
 * The maximum number of unacknowledged stdin bytes, whatever the agent's window allows: the host
 * keeps them in memory.
 */
const MAX_UNACKNOWLEDGED_BYTES: number = 8 * 1024 * 1024;

/**
 * Sends stdin to the agent within the agent's window, starting at the offset at which the
 * attachment became the owner of stdin.
 */
export class StdinLine {
  readonly #channel: OperationChannel;
  readonly #window: SendWindow;
  readonly #hash: Hash = createHash('sha256');
  #last: Promise<void> = Promise.resolve();

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
    await this.#enqueue(async () => {
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
    await this.#enqueue(async () => {
      this.#channel.send({ type: FrameType.END, stream: 0, total: this.#window.sent, digest: this.#hash.digest() });
      return Promise.resolve();
    });
  }

  /** Stops sending. Discards waiting and later bytes. */
  close(): void {
    this.#window.close();
  }

  /** Stops sending. Waiting and later calls reject with the reason. */
  fail(reason: unknown): void {
    this.#window.fail(reason);
  }

  async #enqueue(send: () => Promise<void>): Promise<void> {
    const sent = this.#last.then(send);
    this.#last = sent.catch(() => undefined);
    await sent;
  }
}
