/**
 * The host's end of a connection for tests: plain frames, and helpers for one operation at a time.
 */
import { createHash, type Hash } from 'node:crypto';
import type { Readable, Writable } from 'node:stream';

import { patienceMs } from '../patience.ts';
import {
  type DataFrame,
  decodeData,
  decodeEnd,
  decodeWindow,
  encodeData,
  encodeEnd,
  encodeFrame,
  encodeJson,
  encodeWindow,
  type Frame,
  FrameSplitter,
  frameType,
} from './agent-frames.ts';

export type Json = Record<string, unknown>;

export class AgentFailure extends Error {
  readonly code: unknown;
  readonly facts: Json;

  constructor(facts: Json) {
    super(`${String(facts['code'])}: ${String(facts['message'])}`);
    this.code = facts['code'];
    this.facts = facts;
  }
}

/** Returns the failure of an operation. Rejects if the operation succeeds. */
export async function failureOf(operation: Promise<unknown>): Promise<AgentFailure> {
  try {
    await operation;
  } catch (error) {
    if (error instanceof AgentFailure) return error;
    throw error;
  }
  throw new Error('the operation succeeded');
}

export interface AttachResult {
  readonly opened: Json;
  readonly result: Json;
  readonly stdout: Buffer;
  readonly stderr: Buffer;
}

export class AgentConnection {
  readonly agentHello: Promise<Json>;
  /** Resolves when the agent's end is closed. */
  readonly ended: Promise<void>;
  readonly #output: Readable;
  readonly #input: Writable;
  readonly #kill: () => void;
  readonly #splitter = new FrameSplitter();
  readonly #frames: Frame[] = [];
  #wake: (() => void) | undefined;
  #closed = false;
  #text: Buffer[] = [];

  constructor(output: Readable, input: Writable, kill: () => void) {
    this.#output = output;
    this.#input = input;
    this.#kill = kill;
    input.on('error', () => undefined);
    output.on('data', (bytes: Buffer) => {
      this.#frames.push(...this.#splitter.push(bytes));
      this.#wake?.();
    });
    this.ended = new Promise((resolve) => {
      output.once('close', () => {
        this.#closed = true;
        this.#wake?.();
        resolve();
      });
    });
    this.agentHello = this.expect(frameType.hello).then((frame) => this.#json(frame));
    this.agentHello.catch(() => undefined);
  }

  write(bytes: Uint8Array): boolean {
    return this.#input.write(bytes);
  }

  async drained(): Promise<void> {
    if (this.#input.writableNeedDrain) await new Promise((resolve) => this.#input.once('drain', resolve));
  }

  hello(protocol: readonly [number, number] = [1, 4]): void {
    this.write(encodeJson(frameType.hello, { magic: 'kubernetes-worker', protocol, version: '0.1.0' }));
  }

  open(value: Json): void {
    this.write(encodeJson(frameType.open, value));
  }

  /** Stops reading from the agent. */
  pause(): void {
    this.#output.pause();
  }

  done(): void {
    this.write(encodeFrame(frameType.done));
  }

  window(stream: number, acknowledged: number, limit: number, durable = false): void {
    this.write(encodeWindow(stream, acknowledged, limit, durable));
  }

  destroy(): void {
    this.#input.destroy();
    this.#kill();
  }

  /** Sends BYE, and waits until `connect` has ended. */
  async bye(): Promise<void> {
    this.write(encodeFrame(frameType.bye));
    await this.ended;
  }

  /** Resolves with the next frame of the agent, with split JSON joined; `undefined` at the end. */
  async next(timeoutMs = patienceMs): Promise<Frame | undefined> {
    const end = Date.now() + timeoutMs;
    for (;;) {
      const frame = this.#frames.shift();
      if (frame !== undefined) {
        if (frame.type === frameType.data || (frame.flags & 1) === 0) {
          if (this.#text.length === 0) return frame;
          const payload = Buffer.concat([...this.#text, frame.payload]);
          this.#text = [];
          return { ...frame, payload };
        }
        this.#text.push(frame.payload);
        continue;
      }
      if (this.#closed) return undefined;
      const left = end - Date.now();
      if (left <= 0) throw new Error(`no frame arrived within ${timeoutMs} ms`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.#wake = undefined;
    }
  }

  /** Whether no frame arrives for this time. */
  async silent(ms: number): Promise<boolean> {
    await new Promise((resolve) => setTimeout(resolve, ms));
    return this.#frames.length === 0;
  }

  /** Resolves with the next frame of this type. Rejects for an ERROR or another type. */
  async expect(type: number, timeoutMs?: number): Promise<Frame> {
    const frame = await this.next(timeoutMs);
    if (frame === undefined) throw new Error('the connection ended');
    if (frame.type === frameType.error && type !== frameType.error) throw new AgentFailure(this.#json(frame));
    if (frame.type !== type) throw new Error(`received frame ${frame.type}, expected ${type}`);
    return frame;
  }

  /** Resolves with OPENED. Acknowledges an ERROR in its place, and rejects with it. */
  async opened(): Promise<Json> {
    try {
      return await this.expectJson(frameType.opened);
    } catch (error) {
      this.done();
      throw error;
    }
  }

  async expectJson(type: number, timeoutMs?: number): Promise<Json> {
    return this.#json(await this.expect(type, timeoutMs));
  }

  #json(frame: Frame): Json {
    return JSON.parse(frame.payload.toString('utf8')) as Json;
  }

  /** Runs a whole operation of one OPEN and one RESULT. Rejects with `AgentFailure`. */
  async call(value: Json, timeoutMs?: number): Promise<Json> {
    this.open(value);
    for (;;) {
      const frame = await this.next(timeoutMs);
      if (frame === undefined) throw new Error('the connection ended');
      if (frame.type === frameType.progress || (frame.type === frameType.opened && value['op'] === 'stop')) continue;
      this.done();
      if (frame.type === frameType.error) throw new AgentFailure(this.#json(frame));
      if (frame.type !== frameType.result) throw new Error(`received frame ${frame.type}, expected RESULT`);
      return this.#json(frame);
    }
  }

  async start(id: string, args: readonly unknown[], more: Json = {}): Promise<Json> {
    return this.call({ op: 'start', id: `start-${id}`, attempt: 1, process: id, args, ...more });
  }

  /**
   * Attaches, receives all output with a window of 4 MiB, checks offsets and digests, and waits for
   * the result.
   */
  async attach(id: string, more: Json = {}, stdin?: Buffer): Promise<AttachResult> {
    this.open({ op: 'attach', id: `attach-${id}`, attempt: 1, process: id, ...more });
    const opened = await this.opened();
    const receivers = [
      new Receiver(this, 1, opened['stdout'] as Json),
      new Receiver(this, 2, opened['stderr'] as Json),
    ];
    const feeder = stdin === undefined ? undefined : new Feeder(this, stdin);
    for (;;) {
      const frame = await this.next();
      if (frame === undefined) throw new Error('the connection ended');
      if (frame.type === frameType.data) {
        const data = decodeData(frame);
        receivers[data.stream - 1]?.take(data);
      } else if (frame.type === frameType.end) {
        const end = decodeEnd(frame);
        receivers[end.stream - 1]?.end(end);
      } else if (frame.type === frameType.window) {
        feeder?.grant(decodeWindow(frame));
      } else if (frame.type === frameType.error) {
        this.done();
        throw new AgentFailure(this.#json(frame));
      } else if (frame.type === frameType.result) {
        this.done();
        const [stdout, stderr] = receivers.map((receiver) => receiver.finish());
        if (stdout === undefined || stderr === undefined) throw new Error('a stream is missing');
        return { opened, result: this.#json(frame), stdout, stderr };
      } else if (frame.type !== frameType.progress) {
        throw new Error(`received frame ${frame.type} during an attachment`);
      }
    }
  }

  /**
   * Uploads an archive, optionally with a wrong `digest` or with frames that `compress` encodes.
   */
  async receive(open: Json, archive: Buffer, options: FeedOptions = {}): Promise<Json> {
    this.open({ op: 'receive', attempt: 1, path: '', ...open });
    const opened = await this.opened();
    return this.feed(new Feeder(this, archive, { ...options, from: Number(opened['from']) }));
  }

  /**
   * Resumes an upload of another connection at the agent's offset. Returns the outcome at once if
   * the agent has it.
   */
  async resumeReceive(open: Json, archive: Buffer): Promise<Json> {
    this.open({ op: 'receive', path: '', ...open, resume: true });
    const frame = await this.next();
    if (frame?.type === frameType.opened) {
      const opened = this.#json(frame);
      return this.feed(
        opened['ended'] === true ? undefined : new Feeder(this, archive, { from: Number(opened['from']) }),
      );
    }
    if (frame === undefined) throw new Error('the connection ended');
    this.done();
    if (frame.type === frameType.error) throw new AgentFailure(this.#json(frame));
    return this.#json(frame);
  }

  /** Runs an upload after OPENED. */
  private async feed(feeder: Feeder | undefined): Promise<Json> {
    for (;;) {
      const frame = await this.next();
      if (frame === undefined) throw new Error('the connection ended');
      if (frame.type === frameType.window) {
        feeder?.grant(decodeWindow(frame));
        await this.drained();
      } else if (frame.type === frameType.result || frame.type === frameType.error) {
        this.done();
        if (frame.type === frameType.error) throw new AgentFailure(this.#json(frame));
        return this.#json(frame);
      } else if (frame.type !== frameType.progress) {
        throw new Error(`received frame ${frame.type} during an upload`);
      }
    }
  }

  /** Downloads an archive, and checks offsets, count and digest. */
  async send(open: Json): Promise<{ opened: Json; result: Json; archive: Buffer; compressedFrames: number }> {
    this.open({ op: 'send', attempt: 1, path: '', ...open });
    const opened = await this.opened();
    const receiver = new Receiver(this, 1, 0);
    for (;;) {
      const frame = await this.next();
      if (frame === undefined) throw new Error('the connection ended');
      if (frame.type === frameType.data) receiver.take(decodeData(frame));
      else if (frame.type === frameType.end) receiver.end(decodeEnd(frame));
      else {
        this.done();
        if (frame.type === frameType.error) throw new AgentFailure(this.#json(frame));
        if (frame.type !== frameType.result) throw new Error(`received frame ${frame.type} during a download`);
        return {
          opened,
          result: this.#json(frame),
          archive: receiver.finish(),
          compressedFrames: receiver.compressedFrames,
        };
      }
    }
  }

  /** Starts a command and attaches. Returns its output and result. */
  async run(id: string, args: readonly unknown[], more: Json = {}, stdin?: Buffer): Promise<AttachResult> {
    await this.start(id, args, { ...more, stdin: stdin !== undefined });
    return this.attach(id, { stdin: stdin !== undefined }, stdin);
  }
}

const RECEIVE_WINDOW = 4 * 1024 * 1024;

/** Receives a stream of the agent, and sends WINDOW for it. */
export class Receiver {
  readonly #connection: AgentConnection;
  readonly #stream: number;
  readonly #pieces: Buffer[] = [];
  readonly #hash: Hash = createHash('sha256');
  #offset: number;
  #granted: number;
  #ended = false;
  compressedFrames = 0;
  frames = 0;

  constructor(connection: AgentConnection, stream: number, opened: Json | number) {
    this.#connection = connection;
    this.#stream = stream;
    this.#offset = typeof opened === 'number' ? opened : Number(opened['from']);
    this.#granted = this.#offset + RECEIVE_WINDOW;
    connection.window(stream, this.#offset, this.#granted);
  }

  take(data: DataFrame): void {
    if (this.#ended) throw new Error('DATA after END');
    if (data.offset !== this.#offset) throw new Error(`DATA at ${data.offset}, expected ${this.#offset}`);
    this.#offset += data.raw.length;
    if (this.#offset > this.#granted) throw new Error('DATA beyond the window');
    this.#hash.update(data.raw);
    this.#pieces.push(data.raw);
    this.frames++;
    if (data.compressed) this.compressedFrames++;
    if (this.#granted - this.#offset < RECEIVE_WINDOW / 2) {
      this.#granted = this.#offset + RECEIVE_WINDOW;
      this.#connection.window(this.#stream, this.#offset, this.#granted);
    }
  }

  end(end: { total: number; digest: Buffer }): void {
    if (end.total !== this.#offset) throw new Error(`END at ${end.total}, but ${this.#offset} bytes were received`);
    if (!this.#hash.digest().equals(end.digest)) throw new Error('END with another digest');
    this.#ended = true;
  }

  finish(): Buffer {
    if (!this.#ended) throw new Error(`stream ${this.#stream} has no END`);
    return Buffer.concat(this.#pieces);
  }
}

export interface FeedOptions {
  /** The digest of END. @defaultValue the correct one */
  readonly digest?: Buffer | undefined;
  readonly compress?: ((bytes: Buffer) => Buffer) | undefined;
  /** Whether END carries the flag PROVEN. */
  readonly proven?: boolean | undefined;
  /** The offset at which the agent continues. @defaultValue 0 */
  readonly from?: number | undefined;
}

/** Sends a stream within the agent's windows. */
export class Feeder {
  readonly #connection: AgentConnection;
  readonly #bytes: Buffer;
  readonly #options: FeedOptions;
  #sent: number;
  #ended = false;
  windows = 0;

  constructor(connection: AgentConnection, bytes: Buffer, options: FeedOptions = {}) {
    this.#connection = connection;
    this.#sent = options.from ?? 0;
    this.#bytes = bytes;
    this.#options = options;
  }

  grant(window: { acknowledged: number; limit: number }): void {
    this.windows++;
    while (this.#sent < Math.min(window.limit, this.#bytes.length)) {
      const raw = this.#bytes.subarray(this.#sent, Math.min(this.#sent + 262_144, window.limit));
      this.#connection.write(encodeData(0, this.#sent, raw, this.#options.compress?.(raw)));
      this.#sent += raw.length;
    }
    if (this.#sent < this.#bytes.length || this.#ended) return;
    this.#ended = true;
    const digest = this.#options.digest ?? createHash('sha256').update(this.#bytes).digest();
    this.#connection.write(encodeEnd(0, this.#sent, digest, this.#options.proven));
  }
}
