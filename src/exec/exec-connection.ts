import type WebSocket from 'ws';

import { ClosedError } from '../errors/caller.ts';
import { ExecConnectionLostError, ExecHandshakeFailedError, HeartbeatTimeoutError, ProtocolViolationError } from '../errors/connection.ts';
import type { Clock } from '../runtime/options.ts';
import { ByteTail } from './byte-tail.ts';
import { channels, decodeMessage, encodeStdin } from './channel-frame.ts';
import type { ExecStatus } from './exec-status.ts';
import { decodeExecStatus } from './exec-status.ts';
import { isTemporaryRefusal } from './handshake-failure.ts';
import { keepAlive } from './heartbeat.ts';
import { quote } from './quote.ts';

/** How an exec connection is watched. */
export interface ExecConnectionOptions {
  readonly pingIntervalMs: number;
  readonly deadAfterMs: number;
  readonly clock: Clock;
  /** How many bytes of any kind have come over the socket. */
  readonly bytesRead: () => number;
}

/** Who gets what comes. */
export interface ExecHandlers {
  /** Bytes of stdout; the chunk is the callee's. */
  data(chunk: Uint8Array): void;
  /** Called once, when no more can come; `reason` says why. */
  end(reason: Error): void;
}

const stderrTailBytes = 8 * 1024;
const maxStatusBytes = 1024 * 1024;
/** The server closes right after the status; one that doesn't isn't waited for. */
const closeGraceMs = 2_000;

/**
 * The stdin and stdout of a command in a pod, over one WebSocket. Both directions go on independently. It always ends in exactly one way, told by
 * `end` and by every write from then on:
 *
 * - `ExecConnectionLostError`: the connection is gone, or the command ended (`status` has its exit code then);
 * - `ExecHandshakeFailedError`: the connection was made, but the command could not be started;
 * - `HeartbeatTimeoutError`: nothing was heard for too long; `ProtocolViolationError`: nothing that an exec may say.
 */
export class ExecConnection {
  readonly #socket: WebSocket;
  readonly #options: ExecConnectionOptions;
  readonly #lifetime = new AbortController();
  readonly #stderr = new ByteTail(stderrTailBytes);
  readonly #pending = new Set<(reason: Error) => void>();
  #early: Uint8Array[] = [];
  #handlers: ExecHandlers | undefined;
  #closed = false;
  #ended: Error | undefined;
  #socketError: Error | undefined;
  #statusText = '';
  #status: ExecStatus | undefined;
  #bytesReceived = 0;
  #bytesSent = 0;

  /** Takes over a socket that is open; its listeners are set before it says anything. */
  constructor(socket: WebSocket, options: ExecConnectionOptions) {
    this.#socket = socket;
    this.#options = options;
    socket.on('message', (data, isBinary) => this.#guard(() => this.#receive(data, isBinary)));
    socket.on('error', (error) => (this.#socketError ??= error));
    socket.on('close', (code, reason) => this.#guard(() => this.#finish(this.#describeClose(code, reason))));
    void keepAlive({
      intervalMs: options.pingIntervalMs,
      deadAfterMs: options.deadAfterMs,
      bytesRead: options.bytesRead,
      clock: options.clock,
      signal: this.#lifetime.signal,
      ping: () => socket.ping(),
      dead: (silentMs) => this.#finish(new HeartbeatTimeoutError(silentMs)),
    }).catch((error: unknown) => this.#finish(this.#lost('its heartbeat failed', error)));
  }

  /** The sub-protocol in use. */
  get protocol(): string {
    return this.#socket.protocol;
  }

  /** How the command ended, where the server has said so. */
  get status(): ExecStatus | undefined {
    return this.#status;
  }

  /** The last 8 KiB of stderr, for diagnostics. */
  get stderrTail(): string {
    return this.#stderr.text();
  }

  /** Bytes of stdout that came. */
  get bytesReceived(): number {
    return this.#bytesReceived;
  }

  /** Bytes for stdin that have left this process. */
  get bytesSent(): number {
    return this.#bytesSent;
  }

  /** Called once, at once: what came before is kept in memory, and given then. */
  start(handlers: ExecHandlers): void {
    if (this.#handlers !== undefined) throw new TypeError('the exec connection was started already');
    this.#handlers = handlers;
    const early = this.#early;
    this.#early = [];
    for (const chunk of early) this.#guard(() => this.#deliver(chunk));
    if (this.#ended !== undefined) this.#tellEnd(this.#ended);
  }

  /** Resolves when the bytes have left this process; they must not be changed before. Calls at the same time go out in their order. */
  async write(chunks: readonly Uint8Array[]): Promise<void> {
    if (this.#ended !== undefined) throw this.#ended;
    const messages = encodeStdin(chunks);
    if (messages.length === 0) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#pending.add(reject);
    let left = messages.length;
    for (const message of messages) {
      this.#socket.send(message, { binary: true, compress: false, fin: true }, (error) => {
        if (error instanceof Error) {
          this.#fail(error);
          return;
        }
        this.#bytesSent += message.byteLength - 1;
        left -= 1;
        if (left === 0) resolve();
      });
    }
    try {
      await promise;
    } finally {
      this.#pending.delete(reject);
    }
  }

  /** Lets go of it at once; writes that are under way reject with `ClosedError`, and `end` is not called any more. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#finish(new ClosedError('the exec connection'));
  }

  #receive(data: WebSocket.RawData, isBinary: boolean): void {
    // Texts, unknown channels, empty messages and a CLOSE of the server's mean nothing here, and harm nothing.
    if (!isBinary || !Buffer.isBuffer(data)) return;
    const message = decodeMessage(data);
    if (message === undefined || message.payload.byteLength === 0) return;
    if (message.channel === channels.stdout) {
      this.#bytesReceived += message.payload.byteLength;
      this.#deliver(message.payload);
    } else if (message.channel === channels.stderr) {
      this.#stderr.append(message.payload);
    } else if (message.channel === channels.status) {
      this.#receiveStatus(message.payload);
    }
  }

  #deliver(chunk: Uint8Array): void {
    if (this.#closed) return;
    if (this.#handlers === undefined) this.#early.push(chunk);
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

  /** A write failed: the end comes by the socket's `close`, which knows more, and comes surely once it is let go. */
  #fail(error: Error): void {
    this.#socketError ??= error;
    this.#socket.terminate();
  }

  /** The one place where the outcome is decided: the first reason stays. */
  #finish(reason: Error): void {
    if (this.#ended !== undefined) return;
    this.#ended = reason;
    this.#lifetime.abort();
    this.#socket.terminate();
    for (const reject of this.#pending) reject(reason);
    if (this.#handlers !== undefined) this.#tellEnd(reason);
  }

  #tellEnd(reason: Error): void {
    if (this.#closed) return;
    try {
      this.#handlers?.end(reason);
    } catch (error) {
      process.emitWarning(error instanceof Error ? error : String(error));
    }
  }

  #describeClose(code: number, reason: Buffer): Error {
    if (this.#status !== undefined) return this.#describeStatus(this.#status);
    const words = [`WebSocket close ${code}`];
    if (reason.byteLength > 0) words.push(quote(reason.toString('utf8')));
    if (this.#socketError !== undefined) words.push(quote(this.#socketError.message));
    if (this.#statusText !== '') words.push(`a status that is not one: ${quote(this.#statusText)}`);
    return this.#lost(words.join(', '), this.#socketError);
  }

  #describeStatus(status: ExecStatus): Error {
    const stderr = this.#stderr.text().trim();
    const said = stderr === '' ? '' : `; its stderr ends: ${quote(stderr.slice(-200))}`;
    if (status.kind === 'exited') return this.#lost(`the command ended with exit code ${status.exitCode}${said}`);
    const message = quote(status.message, 1000);
    if (this.#bytesReceived > 0) return this.#lost(`the server says: ${message}${said}`);
    const retryable = isTemporaryRefusal(status.code, status.message);
    return new ExecHandshakeFailedError(message, { status: status.code, reason: status.reason, retryable });
  }

  #lost(detail: string, cause?: unknown): Error {
    const facts = { bytesReceived: this.#bytesReceived, bytesSent: this.#bytesSent };
    return new ExecConnectionLostError(detail, facts, cause === undefined ? {} : { cause });
  }

  /** Nothing that a handler throws may reach the socket's emitter, where it would end the program. */
  #guard(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.#finish(this.#lost('a handler threw', error));
    }
  }
}
