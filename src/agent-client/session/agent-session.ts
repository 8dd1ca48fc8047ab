import { randomBytes } from 'node:crypto';

import { AgentUnavailableError, HeartbeatTimeoutError, ProtocolViolationError } from '../../errors/connection.ts';
import { abortable } from '../../internal/abort.ts';
import { SilenceWatch } from '../../internal/silence-watch.ts';
import type { AbortOptions, Clock } from '../../runtime/options.ts';
import { AgentFailure, LostConnection } from '../wire/agent-error.ts';
import { Fields } from '../wire/control.ts';
import {
  type BareType,
  type ControlFrame,
  type DataFrame,
  type EndFrame,
  encodeFrame,
  type Frame,
  FrameType,
  type WindowFrame,
} from '../wire/frame.ts';
import { FrameDecoder } from '../wire/frame-decoder.ts';
import { type AgentHello, encodeHello, readHello } from './agent-hello.ts';
import type { ByteConnection } from './byte-connection.ts';

/** How long an agent may take to close the connection after BYE, in milliseconds. */
const BYE_MS = 1_000;
const PING_BYTES = 8;

/**
 * Handles the frames of one operation. All calls are synchronous, in the order of arrival. An error
 * that a handler throws ends the session.
 */
export interface OperationHandler {
  /** The first call: provides the channel to send on. */
  bind(channel: OperationChannel): void;
  opened(fields: Fields): void;
  data(frame: DataFrame): void;
  window(frame: WindowFrame): void;
  end(frame: EndFrame): void;
  progress(fields: Fields): void;
  /** The last call: the agent's RESULT. If it throws, `lost` follows. */
  answered(fields: Fields): void;
  /** The last call: the agent's ERROR. */
  failed(failure: AgentFailure): void;
  /**
   * The last call: the connection ended before the agent answered, or the agent violated the
   * protocol.
   */
  lost(reason: Error): void;
  /** Whether the agent keeps the answer until it receives DONE. */
  readonly isKept?: boolean;
  /**
   * Called after the last call if the answer is kept and the connection was lost before the agent
   * confirmed DONE.
   */
  unconfirmed?(): void;
}

/** Sends frames of one operation. Sends nothing after the operation was answered. */
export interface OperationChannel {
  /** Like `ByteConnection.write`. Resolves at once after the operation was answered. */
  write(chunks: readonly Uint8Array[]): Promise<void>;
  /** Sends a small frame without waiting. The end of the connection reports a failure. */
  send(frame: Exclude<Frame, DataFrame>): void;
  /** Closes a session in an uncertain state. `lost` follows. */
  abandon(reason: Error): void;
}

export interface SessionOptions {
  readonly clock: Clock;
  /** For errors. */
  readonly podName: string;
  readonly libraryVersion: string;
  /** How long the agent may take to send HELLO, in milliseconds. */
  readonly helloTimeoutMs: number;
  /** How long both ends may be silent before the session sends a PING, in milliseconds. */
  readonly pingAfterMs: number;
  /** How long the agent may be silent before the session fails, in milliseconds. */
  readonly deadAfterMs: number;
  /** Called when the operation was answered: the next may begin. */
  readonly idle: (session: AgentSession) => void;
  /** Called once, when the session ends for any reason. */
  readonly closed: (session: AgentSession) => void;
}

/**
 * One connection to an agent: exchanges HELLO, sends heartbeats, and runs one operation at a time.
 * A session never pauses reading.
 */
export class AgentSession {
  readonly #connection: ByteConnection;
  readonly #options: SessionOptions;
  readonly #decoder: FrameDecoder = new FrameDecoder((frame) => {
    this.#onFrame(frame);
  });
  readonly #hello = Promise.withResolvers<AgentHello>();
  /** Resolves when the agent closes the connection. */
  readonly #closedByAgent = Promise.withResolvers<void>();
  readonly #silence: SilenceWatch;
  readonly #agentSilence: SilenceWatch;
  #pongWaiters: PromiseWithResolvers<void>[] = [];
  #hasHello = false;
  #operation: OperationHandler | undefined;
  /** The last answered operation with a kept answer, until the agent confirms DONE. */
  #unconfirmed: OperationHandler | undefined;
  /** The payload of the PING after the last DONE. */
  #confirmation: Buffer = Buffer.alloc(PING_BYTES);
  /** The reason for which the session is closed. */
  #closedBy: Error | undefined;

  private constructor(connection: ByteConnection, options: SessionOptions) {
    const { clock, pingAfterMs, deadAfterMs } = options;
    this.#connection = connection;
    this.#options = options;
    this.#silence = new SilenceWatch({ clock, limitMs: pingAfterMs, silent: () => this.#sendPing() });
    this.#agentSilence = new SilenceWatch({
      clock,
      limitMs: deadAfterMs,
      silent: () => this.#fail(new HeartbeatTimeoutError(deadAfterMs)),
    });
    connection.start({ data: (chunk) => this.#onData(chunk), end: (reason) => this.#onEnd(reason) });
    void this.#write(encodeHello(options.libraryVersion)).catch(ignore);
  }

  /**
   * Exchanges HELLO with the agent. The session owns the connection from now on, also after a
   * rejection. Rejects with the signal's reason or the connection's error.
   *
   * @throws AgentUnavailableError - the agent sent no HELLO in time
   * @throws AgentIncompatibleError, ProtocolViolationError
   */
  static async open(
    connection: ByteConnection,
    options: SessionOptions,
    { signal }: AbortOptions = {},
  ): Promise<{ readonly session: AgentSession; readonly hello: AgentHello }> {
    const session = new AgentSession(connection, options);
    const { clock, podName, helloTimeoutMs } = options;
    const helloWatch = new SilenceWatch({
      clock,
      limitMs: helloTimeoutMs,
      silent: () =>
        session.#fail(new AgentUnavailableError(podName, `it sent no HELLO within ${helloTimeoutMs} ms`, true)),
    });
    try {
      return { session, hello: await abortable(session.#hello.promise, signal) };
    } catch (error) {
      session.#fail(error instanceof Error ? error : new Error('not opened', { cause: error }));
      throw error;
    } finally {
      helloWatch.stop();
    }
  }

  /**
   * Begins an operation by sending its OPEN text. The session must be idle. Calls `lost` of the
   * handler if the session is closed.
   */
  begin(openText: Buffer, handler: OperationHandler): void {
    if (this.#operation !== undefined) throw new Error('the session has an operation already');
    const active = (): boolean => this.#operation === handler;
    const channel: OperationChannel = {
      write: async (chunks) => {
        if (active()) await this.#write(chunks);
      },
      send: (frame) => {
        if (active()) void this.#write(encodeFrame(frame)).catch(ignore);
      },
      abandon: (reason) => {
        if (active()) this.#fail(reason);
      },
    };
    this.#operation = handler;
    handler.bind(channel);
    const closedBy = this.#closedBy;
    if (closedBy !== undefined) queueMicrotask(() => this.#lose(closedBy));
    else channel.send({ type: FrameType.OPEN, text: openText });
  }

  /** Sends a PING and resolves when the agent answers. Rejects with `LostConnection`. */
  async ping(): Promise<void> {
    if (this.#closedBy !== undefined) throw new LostConnection(this.#closedBy);
    const pong = Promise.withResolvers<void>();
    this.#pongWaiters.push(pong);
    this.#sendPing();
    await pong.promise;
  }

  /** Closes the session with BYE. An open operation is lost for this reason. Idempotent. */
  close(reason: Error): void {
    if (this.#closedBy !== undefined) return;
    this.#end(reason);
    void this.#sendBye();
  }

  /**
   * Sends BYE and waits for the agent to close the connection. Closing first, with unread bytes,
   * would reset the connection and lose the BYE.
   */
  async #sendBye(): Promise<void> {
    const closed = new AbortController();
    this.#connection.write(encodeFrame({ type: FrameType.BYE })).catch(ignore);
    await Promise.race([
      this.#closedByAgent.promise,
      this.#options.clock.sleep(BYE_MS, { signal: closed.signal }).catch(ignore),
    ]);
    closed.abort();
    this.#release();
  }

  #onEnd(reason: Error): void {
    this.#closedByAgent.resolve();
    this.#fail(reason);
  }

  #fail(reason: Error): void {
    if (this.#closedBy !== undefined) return;
    this.#end(reason);
    this.#release();
  }

  #release(): void {
    this.#connection.close();
    const operation = this.#unconfirmed;
    this.#unconfirmed = undefined;
    operation?.unconfirmed?.();
  }

  #end(reason: Error): void {
    this.#closedBy = reason;
    this.#silence.stop();
    this.#agentSilence.stop();
    this.#hello.reject(reason);
    for (const { reject } of this.#pongWaiters.splice(0)) reject(new LostConnection(reason));
    this.#lose(reason);
    this.#options.closed(this);
  }

  #lose(reason: Error): void {
    const operation = this.#operation;
    this.#operation = undefined;
    operation?.lost(reason);
  }

  async #write(chunks: readonly Uint8Array[]): Promise<void> {
    this.#silence.touch();
    await this.#connection.write(chunks);
  }

  #sendPing(): void {
    if (this.#hasHello)
      void this.#write(encodeFrame({ type: FrameType.PING, opaque: Buffer.alloc(PING_BYTES) })).catch(ignore);
  }

  #onData(chunk: Uint8Array): void {
    // After BYE, only the confirmation of the last DONE matters.
    if (this.#closedBy !== undefined && this.#unconfirmed === undefined) return;
    this.#silence.touch();
    this.#agentSilence.touch();
    try {
      this.#decoder.push(chunk);
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error('failed', { cause: error }));
    }
  }

  #onFrame(frame: Frame): void {
    if (this.#hasHello) this.#confirm(frame);
    if (this.#closedBy !== undefined) return;
    if (!this.#hasHello) {
      this.#onHello(frame);
      return;
    }
    switch (frame.type) {
      case FrameType.PING:
        void this.#write(encodeFrame({ type: FrameType.PONG, opaque: frame.opaque })).catch(ignore);
        return;
      case FrameType.PONG:
        for (const { resolve } of this.#pongWaiters.splice(0)) resolve();
        return;
      case FrameType.DATA:
        this.#current(frame).data(frame);
        return;
      case FrameType.WINDOW:
        this.#current(frame).window(frame);
        return;
      case FrameType.END:
        this.#current(frame).end(frame);
        return;
      default:
        this.#onControl(frame);
    }
  }

  #onControl(frame: ControlFrame | { readonly type: BareType }): void {
    switch (frame.type) {
      case FrameType.OPENED:
        this.#current(frame).opened(Fields.parse(frame.type, frame.text));
        return;
      case FrameType.PROGRESS:
        this.#current(frame).progress(Fields.parse(frame.type, frame.text));
        return;
      case FrameType.RESULT:
        this.#onResult(this.#current(frame), Fields.parse(frame.type, frame.text));
        return;
      case FrameType.ERROR:
        this.#onError(AgentFailure.of(Fields.parse(frame.type, frame.text)));
        return;
      default:
        throw new ProtocolViolationError(`the agent sent a frame of type ${frame.type}`);
    }
  }

  #onHello(frame: Frame): void {
    if (frame.type !== FrameType.HELLO)
      throw new ProtocolViolationError(`the agent sent a frame of type ${frame.type} before HELLO`);
    this.#hasHello = true;
    this.#hello.resolve(readHello(Fields.parse(frame.type, frame.text)));
  }

  #onResult(operation: OperationHandler, fields: Fields): void {
    try {
      operation.answered(fields);
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error('failed', { cause: error }));
      return;
    }
    this.#done(operation);
  }

  #onError(failure: AgentFailure): void {
    const violation = failure.code === 'PROTOCOL_VIOLATION';
    // The agent discards everything after this ERROR, so it would never answer the next OPEN.
    if (violation || this.#operation === undefined) {
      this.#fail(
        new ProtocolViolationError(`the agent failed with ${failure.code}: ${failure.message}`, { cause: failure }),
      );
      return;
    }
    const operation = this.#operation;
    operation.failed(failure);
    this.#done(operation);
  }

  #done(operation: OperationHandler): void {
    this.#operation = undefined;
    const frames = [...encodeFrame({ type: FrameType.DONE })];
    if (operation.isKept === true) {
      this.#unconfirmed = operation;
      this.#confirmation = randomBytes(PING_BYTES);
      frames.push(...encodeFrame({ type: FrameType.PING, opaque: this.#confirmation }));
    }
    void this.#write(frames).catch(ignore);
    this.#options.idle(this);
  }

  /** Between its answer and DONE the agent sends only PONG, so any other frame confirms DONE. */
  #confirm(frame: Frame): void {
    if (frame.type !== FrameType.PONG || frame.opaque.equals(this.#confirmation)) this.#unconfirmed = undefined;
  }

  #current({ type }: Frame): OperationHandler {
    if (this.#operation === undefined)
      throw new ProtocolViolationError(`the agent sent a frame of type ${type} while no operation is open`);
    return this.#operation;
  }
}

function ignore(): void {
  // The end of the connection reports the reason.
}
