import { createHash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { zstdDecompressSync } from 'node:zlib';

import type { ByteConnection, ByteConnectionHandlers } from '../../src/agent-client/session/byte-connection.ts';
import {
  readData,
  readEnd,
  readWindow,
  type WireFrame,
  WireReader,
  type WireType,
  wireData,
  wireEnd,
  wireFrame,
  wireJson,
  wireWindow,
} from './agent/agent-wire.ts';

export const HELLO = {
  magic: 'kubernetes-worker',
  protocol: [1, 1],
  version: '0.1.0',
  incarnation: 'abc',
  arch: 'x64',
  uid: 0,
  gid: 0,
  freeBytes: 1e9,
  pid1: true,
};

export const PROCESS_RESULT = {
  exitStatus: 0,
  signal: null,
  startedAt: 1000,
  finishedAt: 2000,
  stdoutBytes: 0,
  stderrBytes: 0,
  oomKills: 0,
};

/**
 * The agent's end of a connection in memory. Sends the frames of a test, and records those of the
 * host. Answers PING.
 */
export class ScriptedAgent {
  /** The host's frames that the test has not taken yet, without PING and PONG. */
  readonly frames: WireFrame[] = [];
  /** The types of all frames of the host. */
  readonly types: WireType[] = [];
  #handlers: ByteConnectionHandlers | undefined;
  readonly #early: Buffer[] = [];
  readonly #reader = new WireReader();
  #arrived: (() => void) | undefined;
  #held: (() => void)[] | undefined;
  closed = false;
  answersPings = true;
  /** Whether it closes the connection after BYE. */
  closesAfterBye = true;
  /** The payload of the last PING. */
  lastPing: Buffer = Buffer.alloc(8);

  /** The host's end. */
  readonly connection: ByteConnection = {
    start: (handlers) => {
      this.#handlers = handlers;
      for (const chunk of this.#early.splice(0)) this.#pass(chunk, handlers);
    },
    write: async (chunks) => {
      if (this.closed || this.#handlers === undefined) throw new Error('the connection has ended');
      if (this.#held !== undefined) await new Promise<void>((resolve) => this.#held?.push(resolve));
      for (const chunk of chunks) for (const frame of this.#reader.push(chunk)) this.#onFrame(frame);
    },
    close: () => {
      this.closed = true;
      this.#handlers = undefined;
    },
  };

  /** Sends bytes in one chunk. */
  send(...frames: Uint8Array[]): void {
    const chunk = Buffer.concat(frames);
    if (this.#handlers === undefined) this.#early.push(chunk);
    else this.#pass(chunk, this.#handlers);
  }

  json(type: WireType, value: unknown): void {
    this.send(wireJson(type, value));
  }

  hello(changes: Readonly<Record<string, unknown>> = {}): void {
    this.json('HELLO', { ...HELLO, ...changes });
  }

  data(stream: number, offset: number, bytes: Uint8Array): void {
    this.send(wireData(stream, offset, bytes));
  }

  /** Ends the connection with an error. */
  lose(reason: Error): void {
    const handlers = this.#handlers;
    this.closed = true;
    this.#handlers = undefined;
    handlers?.end(reason);
  }

  /** Blocks writes of the host until `resume`. */
  stall(): void {
    this.#held ??= [];
  }

  resume(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const release of held) release();
  }

  /** Resolves with the next frame of the host. Rejects if it has another type. */
  async next(type: WireType): Promise<WireFrame> {
    await this.#arrival();
    const frame = this.frames.shift();
    if (frame?.type !== type)
      throw new Error(
        `the host sent ${frame?.type ?? 'nothing'} ${frame?.payload.toString('latin1', 0, 80) ?? ''}, ${type} was expected`,
      );
    return frame;
  }

  /** As `next`, but skips DATA and END, which may follow for as long as frames are compressed. */
  async nextAfterData(type: WireType): Promise<WireFrame> {
    for (;;) {
      await this.#arrival();
      const first = this.frames[0]?.type;
      if (first !== 'DATA' && first !== 'END') return await this.next(type);
      this.frames.shift();
    }
  }

  /** Resolves with the type of the next frame of the host, which stays. */
  async peek(): Promise<WireType> {
    await this.#arrival();
    return this.frames[0]!.type;
  }

  async nextJson(type: WireType): Promise<Record<string, unknown>> {
    return JSON.parse((await this.next(type)).payload.toString()) as Record<string, unknown>;
  }

  /**
   * Receives an upload with this window, as a real agent does. Resolves with the bytes after a
   * correct END.
   */
  async receiveUpload(windowBytes: number, stepBytes = Math.ceil(windowBytes / 4)): Promise<Buffer> {
    const parts: Buffer[] = [];
    let received = 0;
    let acknowledged = 0;
    this.send(wireWindow(0, 0, windowBytes));
    for (;;) {
      if ((await this.peek()) === 'END') break;
      const data = readData(await this.next('DATA'));
      const raw = data.zstd ? zstdDecompressSync(data.bytes) : data.bytes;
      if (data.stream !== 0 || data.offset !== received || data.rawLength !== raw.length)
        throw new Error(`DATA does not continue the stream: ${JSON.stringify({ ...data, bytes: data.bytes.length })}`);
      received += raw.length;
      if (received > acknowledged + windowBytes)
        throw new Error(`the host sent up to ${received}, beyond the limit ${acknowledged + windowBytes}`);
      parts.push(raw);
      if (received - acknowledged < stepBytes) continue;
      acknowledged = received;
      await setImmediate();
      this.send(wireWindow(0, acknowledged, acknowledged + windowBytes));
    }
    const bytes = Buffer.concat(parts);
    const end = readEnd(await this.next('END'));
    if (end.stream !== 0 || end.total !== bytes.length || end.digest !== sha256(bytes).toString('hex'))
      throw new Error('END does not match the bytes');
    return bytes;
  }

  /** Sends bytes on a stream within the host's window, as a real agent does. */
  async sendStream(stream: number, bytes: Buffer, frameBytes = 65_536): Promise<void> {
    let limit = 0;
    let sent = 0;
    while (sent < bytes.length) {
      while (limit <= sent) limit = Math.max(limit, readWindow(await this.next('WINDOW')).limit);
      const part = bytes.subarray(sent, Math.min(bytes.length, limit, sent + frameBytes));
      this.data(stream, sent, part);
      sent += part.length;
      await setImmediate();
    }
    this.send(wireEnd(stream, bytes.length, sha256(bytes)));
  }

  /** Passes bytes that are valid only until the handler returns. */
  #pass(chunk: Buffer, handlers: ByteConnectionHandlers): void {
    handlers.data(chunk);
    chunk.fill(0xaa);
  }

  async #arrival(): Promise<void> {
    while (this.frames.length === 0) await new Promise<void>((resolve) => (this.#arrived = resolve));
  }

  #onFrame(frame: WireFrame): void {
    this.types.push(frame.type);
    if (frame.type === 'PING') this.lastPing = frame.payload;
    if (frame.type === 'PING' && this.answersPings) this.send(wireFrame('PONG', frame.payload));
    if (frame.type === 'PING' || frame.type === 'PONG') return;
    this.frames.push(frame);
    if (frame.type === 'BYE' && this.closesAfterBye)
      queueMicrotask(() => this.lose(new Error('the agent closed the connection')));
    this.#arrived?.();
  }
}

export function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest();
}
