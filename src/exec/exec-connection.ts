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

/** How an exec connection is watched. */
export interface ExecConnectionOptions {
  readonly protocol: ExecProtocol;
  readonly pingIntervalMs: number;
  readonly deadAfterMs: number;
  readonly clock: Clock;
  /** For what is sent. */
  readonly buffers: MessageBuffers;
  /** Called when something has come on any channel, once; before that, when nothing has for two intervals, or when the connection has ended. */
  readonly heard: (something: boolean) => void;
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
 * The stdin and stdout of a command in a pod, over one wire. Both directions go on independently. It always ends in exactly one way, told by
 * `end` and by every write from then on:
 *
 * - `ExecConnectionLostError`: the connection is gone, or the command ended (`status` has its exit code then);
 * - `ExecHandshakeFailedError`: the connection was made, but the command could not be started;
 * - `HeartbeatTimeoutError`: nothing was heard for too long; `ProtocolViolationError`: nothing that an exec may say.
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
  #isHeard = false;
  #isPinged = false;
  #bytesReceived = 0;
  #bytesSent = 0;

  /** Over the wire that `open` makes, with handlers that are called from `start` on. */
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

  /** Resolves when the bytes have left this process. They may be changed as soon as this has returned. Calls at the same time go out in their order. */
  async write(chunks: readonly Uint8Array[]): Promise<void> {
    if (this.#ended !== undefined) throw this.#ended;
    let last: Promise<void> | undefined;
    for (const frame of this.#frames.encode(chunks)) last = this.#send(frame);
    // They leave in their order, so the last one's end is the end of all.
    await last;
  }

  /** Lets go of it at once; writes that are under way reject with `ClosedError`, and `end` is not called any more. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#finish(new ClosedError('the exec connection'));
  }

  #send(frame: StdinFrame): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    // Nobody waits for all but the last of a write.
    promise.catch(() => undefined);
    this.#pending.add(reject);
    this.#wire.write(frame.bytes, (error) => {
      // One that fails is rejected with the connection's end, which follows and knows more; its buffer may still be in use.
      if (error instanceof Error) return;
      this.#pending.delete(reject);
      frame.release();
      this.#bytesSent += frame.stdinBytes;
      resolve();
    });
    return promise;
  }

  /** What comes on other channels means nothing here, and harms nothing. */
  #receive(channel: number, bytes: Buffer): void {
    this.#tellHeard(true);
    if (channel === channels.stdout) {
      this.#bytesReceived += bytes.byteLength;
      this.#deliver(bytes);
    } else if (channel === channels.stderr) {
      this.#stderr.append(bytes);
    } else if (channel === channels.status) {
      this.#receiveStatus(bytes);
    }
  }

  /** One that has said nothing since the last ping is doubted before whoever waits for it gives it up. */
  #ping(): void {
    if (this.#isPinged && !this.#isHeard) this.#options.heard(false);
    this.#isPinged = true;
    this.#wire.ping();
  }

  #tellHeard(something: boolean): void {
    if (this.#isHeard) return;
    this.#isHeard = true;
    this.#options.heard(something);
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

  /** The one place where the outcome is decided: the first reason stays. */
  #finish(reason: Error): void {
    if (this.#ended !== undefined) return;
    this.#ended = reason;
    if (!this.#closed) this.#tellHeard(false);
    this.#lifetime.abort();
    this.#wire.terminate();
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

  #describeClose(how: string, error: Error | undefined): Error {
    if (this.#status !== undefined) return this.#describeStatus(this.#status);
    const words = [how];
    if (error !== undefined) words.push(quote(error.message));
    if (this.#statusText !== '') words.push(`a status that is not one: ${quote(this.#statusText)}`);
    return this.#lost(words.join(', '), error);
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
