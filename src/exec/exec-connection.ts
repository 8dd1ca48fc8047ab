import { ClosedError } from '../errors/caller.ts';
import {
  ExecConnectionLostError,
  ExecHandshakeFailedError,
  HeartbeatTimeoutError,
  ProtocolViolationError,
} from '../errors/connection.ts';
import { quote } from '../internal/quote.ts';
import type { Clock } from '../runtime/options.ts';
import { ByteTail } from './byte-tail.ts';
import { channels } from './channels.ts';
import { decodeExecStatus, type ExecStatus } from './exec-status.ts';
import type { ExecWire, WireHandlers } from './exec-wire.ts';
import { isTemporaryRefusal } from './handshake-failure.ts';
import { keepAlive } from './heartbeat.ts';
import type { MessageBuffers } from './message-buffers.ts';
import type { ExecProtocol } from './protocol-order.ts';
import { type StdinFrame, StdinFrames } from './stdin-frames.ts';

/** Options of an exec connection. */
export interface ExecConnectionOptions {
  readonly protocol: ExecProtocol;
  readonly pingIntervalMs: number;
  readonly deadAfterMs: number;
  readonly clock: Clock;
  /** The buffers for messages of stdin. */
  readonly buffers: MessageBuffers;
  /**
   * Called with `true` once, at the first data on any channel. Called with `false` before that:
   * when nothing has arrived for two intervals, and when the connection has ended.
   */
  readonly responded: (hasData: boolean) => void;
}

/** Receives the stdout and the end of a command. */
export interface ExecHandlers {
  /** Receives bytes of stdout, which are valid only until it returns. */
  data(chunk: Uint8Array): void;
  /** Called once, after the last data, with the reason. */
  end(reason: Error): void;
}

const stderrTailBytes = 8 * 1024;
const maxStatusBytes = 1024 * 1024;
/**
 * The server closes directly after the status. The connection ends after this time if it does not.
 */
const closeGraceMs = 2_000;

/**
 * The stdin and stdout of a command in a pod, over one wire. Both directions are independent. The
 * connection ends for exactly one reason, which `end` and every later write report:
 *
 * - `ExecConnectionLostError`: the connection was lost, or the command ended (`status` has its exit
 *   code then);
 * - `ExecHandshakeFailedError`: the connection was established, but the command could not be
 *   started;
 * - `HeartbeatTimeoutError`: no byte arrived for too long;
 * - `ProtocolViolationError`: the server sent an invalid status.
 */
export class ExecConnection {
  readonly #wire: ExecWire;
  readonly #frames: StdinFrames;
  readonly #options: ExecConnectionOptions;
  readonly #lifetime = new AbortController();
  readonly #stderr = new ByteTail(stderrTailBytes);
  readonly #pending = new Set<(reason: Error) => void>();
  #early: Uint8Array[] = [];
  #handlers: ExecHandlers | undefined;
  #closed = false;
  #ended: Error | undefined;
  #statusText = '';
  #status: ExecStatus | undefined;
  #isReported = false;
  #isPinged = false;
  #bytesReceived = 0;
  #bytesSent = 0;

  /** Creates the wire by `open`, and starts it. The handlers of `start` receive all its data. */
  constructor(open: (handlers: WireHandlers) => ExecWire, options: ExecConnectionOptions) {
    this.#options = options;
    this.#wire = open({
      data: (channel, bytes) => this.#guard(() => this.#receive(channel, bytes)),
      closed: (how, error) => this.#guard(() => this.#finish(this.#describeClose(how, error))),
    });
    this.#frames = new StdinFrames(options.buffers, this.#wire);
    this.#wire.start();
    void keepAlive({
      intervalMs: options.pingIntervalMs,
      deadAfterMs: options.deadAfterMs,
      bytesRead: () => this.#wire.bytesRead,
      clock: options.clock,
      signal: this.#lifetime.signal,
      ping: () => this.#ping(),
      dead: (silentMs) => this.#finish(new HeartbeatTimeoutError(silentMs)),
    }).catch((error: unknown) => this.#finish(this.#lost('its heartbeat failed', error)));
  }

  get protocol(): ExecProtocol {
    return this.#options.protocol;
  }

  /** How the command ended, if the server has reported it. */
  get status(): ExecStatus | undefined {
    return this.#status;
  }

  /** The last 8 KiB of stderr, for diagnostics. */
  get stderrTail(): string {
    return this.#stderr.text();
  }

  /** Bytes of stdout that have arrived. */
  get bytesReceived(): number {
    return this.#bytesReceived;
  }

  /** Bytes for stdin that have left this process. */
  get bytesSent(): number {
    return this.#bytesSent;
  }

  /** Delivers the data. Called once, soon: data that arrives earlier is held in memory. */
  start(handlers: ExecHandlers): void {
    if (this.#handlers !== undefined) throw new TypeError('the exec connection was started already');
    this.#handlers = handlers;
    const early = this.#early;
    this.#early = [];
    for (const chunk of early) this.#guard(() => this.#deliver(chunk));
    if (this.#ended !== undefined) this.#reportEnd(this.#ended);
  }

  /**
   * Resolves when the bytes have left this process. The chunks may change as soon as the call has
   * returned a promise. Concurrent calls send in their order.
   */
  async write(chunks: readonly Uint8Array[]): Promise<void> {
    if (this.#ended !== undefined) throw this.#ended;
    let last: Promise<void> | undefined;
    for (const frame of this.#frames.encode(chunks)) last = this.#send(frame);
    // Messages leave in order, so the last one completes the write.
    await last;
  }

  /**
   * Destroys the connection. Pending writes reject with `ClosedError`, and `end` is not called.
   * Idempotent.
   */
  close(): void {
    this.#closed = true;
    this.#finish(new ClosedError('the exec connection'));
  }

  #send(frame: StdinFrame): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    // A write awaits only its last message.
    promise.catch(() => undefined);
    this.#pending.add(reject);
    this.#wire.write(frame.bytes, (error) => {
      // The end of the connection, which follows, rejects the write with its reason. The message's
      // buffer may still be in use.
      if (error instanceof Error) return;
      this.#pending.delete(reject);
      frame.release();
      this.#bytesSent += frame.stdinBytes;
      resolve();
    });
    return promise;
  }

  /** Ignores other channels. */
  #receive(channel: number, bytes: Buffer): void {
    this.#reportResponse(true);
    if (channel === channels.stdout) {
      this.#bytesReceived += bytes.byteLength;
      this.#deliver(bytes);
    } else if (channel === channels.stderr) {
      this.#stderr.append(bytes);
    } else if (channel === channels.status) {
      this.#receiveStatus(bytes);
    }
  }

  /**
   * Reports a connection without data since the last ping, before its user stops waiting for it.
   */
  #ping(): void {
    if (this.#isPinged && !this.#isReported) this.#options.responded(false);
    this.#isPinged = true;
    this.#wire.ping();
  }

  #reportResponse(hasData: boolean): void {
    if (this.#isReported) return;
    this.#isReported = true;
    this.#options.responded(hasData);
  }

  #deliver(chunk: Uint8Array): void {
    if (this.#closed) return;
    if (this.#handlers === undefined) this.#early.push(Buffer.from(chunk));
    else this.#handlers.data(chunk);
  }

  #receiveStatus(payload: Buffer): void {
    if (this.#status !== undefined) return;
    if (this.#statusText.length + payload.byteLength > maxStatusBytes) {
      this.#finish(new ProtocolViolationError(`a status of more than ${maxStatusBytes} bytes`));
      return;
    }
    this.#statusText += payload.toString('utf8');
    this.#status = decodeExecStatus(this.#statusText);
    if (this.#status !== undefined) void this.#finishSoon(this.#status);
  }

  async #finishSoon(status: ExecStatus): Promise<void> {
    const { clock } = this.#options;
    try {
      await clock.sleep(closeGraceMs, { signal: this.#lifetime.signal });
    } catch {
      return;
    }
    this.#finish(this.#describeStatus(status));
  }

  /** Ends the connection. Only the first reason counts. */
  #finish(reason: Error): void {
    if (this.#ended !== undefined) return;
    this.#ended = reason;
    if (!this.#closed) this.#reportResponse(false);
    this.#lifetime.abort();
    this.#wire.terminate();
    for (const reject of this.#pending) reject(reason);
    if (this.#handlers !== undefined) this.#reportEnd(reason);
  }

  #reportEnd(reason: Error): void {
    if (this.#closed) return;
    try {
      this.#handlers?.end(reason);
    } catch (error) {
      process.emitWarning(error instanceof Error ? error : String(error));
    }
  }

  #describeClose(how: string, error: Error | undefined): Error {
    if (this.#status !== undefined) return this.#describeStatus(this.#status);
    const words = [how];
    if (error !== undefined) words.push(quote(error.message));
    if (this.#statusText !== '') words.push(`an invalid status: ${quote(this.#statusText)}`);
    return this.#lost(words.join(', '), error);
  }

  #describeStatus(status: ExecStatus): Error {
    const stderr = this.#stderr.text().trim();
    const diagnostics = stderr === '' ? '' : `; its stderr ends with: ${quote(stderr.slice(-200))}`;
    if (status.kind === 'exited')
      return this.#lost(`the command ended with exit code ${status.exitCode}${diagnostics}`);
    const message = quote(status.message, 1000);
    if (this.#bytesReceived > 0) return this.#lost(`the server reports: ${message}${diagnostics}`);
    const retryable = isTemporaryRefusal(status.code, status.message);
    return new ExecHandshakeFailedError(message, { status: status.code, reason: status.reason, retryable });
  }

  #lost(detail: string, cause?: unknown): Error {
    const facts = { bytesReceived: this.#bytesReceived, bytesSent: this.#bytesSent };
    return new ExecConnectionLostError(detail, facts, cause === undefined ? {} : { cause });
  }

  /**
   * Catches the errors of handlers, which would otherwise reach the socket's emitter and end the
   * program.
   */
  #guard(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.#finish(this.#lost('a handler threw', error));
    }
  }
}
