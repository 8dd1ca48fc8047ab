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

/** How long an agent may take to hang up after a goodbye, in milliseconds. */
const BYE_MS = 1_000;
const PING_BYTES = 8;

/** What an operation is told; all of it synchronously, in the order in which it came. What it throws ends the session. */
export interface OperationHandler {
  /** The first call: what it says things on. */
  bind(channel: OperationChannel): void;
  opened(fields: Fields): void;
  data(frame: DataFrame): void;
  window(frame: WindowFrame): void;
  end(frame: EndFrame): void;
  progress(fields: Fields): void;
  /** The last call, the agent's RESULT; unless it throws: then `lost` follows. */
  answered(fields: Fields): void;
  /** The last call: the agent's ERROR. */
  failed(failure: AgentFailure): void;
  /** The last call: the connection ended before the agent had answered, or what the agent said cannot be. */
  lost(reason: Error): void;
  /** Whether the agent keeps the answer until it hears that it was taken. */
  readonly isKept?: boolean;
  /** After the last call, where it is kept: the connection was lost, and nobody knows whether the agent has heard so. */
  unconfirmed?(): void;
}

/** What an operation says. Nothing leaves any more once it has been answered. */
export interface OperationChannel {
  /** As `ByteConnection.write`; resolves at once where nothing leaves any more. */
  write(chunks: readonly Uint8Array[]): Promise<void>;
  /** For small frames: what becomes of them, the connection's end will tell. */
  send(frame: Exclude<Frame, DataFrame>): void;
  /** Closes the session, whose state is in doubt; `lost` follows. */
  abandon(reason: Error): void;
}

export interface SessionOptions {
  readonly clock: Clock;
  /** For errors. */
  readonly podName: string;
  readonly libraryVersion: string;
  /** How long the agent may take to say HELLO, in milliseconds. */
  readonly helloTimeoutMs: number;
  /** After how long a silence of both ends to send a PING, in milliseconds. */
  readonly pingAfterMs: number;
  /** After how long a silence of the agent the connection is dead, in milliseconds. */
  readonly deadAfterMs: number;
  /** The operation was answered; the next may begin. */
  readonly idle: (session: AgentSession) => void;
  /** Called once, however it ended. */
  readonly closed: (session: AgentSession) => void;
}

/** One connection to an agent: the greeting, the heartbeat, and one operation at a time. It always reads. */
export class AgentSession {
  readonly #connection: ByteConnection;
  readonly #options: SessionOptions;
  readonly #decoder: FrameDecoder = new FrameDecoder((frame) => {
    this.#onFrame(frame);
  });
  readonly #greeting = Promise.withResolvers<AgentHello>();
  /** The connection has ended by itself. */
  readonly #hungUp = Promise.withResolvers<void>();
  readonly #quiet: SilenceWatch;
  readonly #unheard: SilenceWatch;
  /** Who waits for a PONG. */
  #pongs: PromiseWithResolvers<void>[] = [];
  #greeted = false;
  #operation: OperationHandler | undefined;
  /** The last one that was answered, where the agent keeps the answer, until it has surely heard of DONE. */
  #unconfirmed: OperationHandler | undefined;
  /** What the PING after the last DONE said. */
  #confirmation: Buffer = Buffer.alloc(PING_BYTES);
  /** Why it is closed. */
  #closedBy: Error | undefined;

  private constructor(connection: ByteConnection, options: SessionOptions) {
    const { clock, pingAfterMs, deadAfterMs } = options;
    this.#connection = connection;
    this.#options = options;
    this.#quiet = new SilenceWatch({ clock, limitMs: pingAfterMs, silent: () => this.#ping() });
    this.#unheard = new SilenceWatch({
      clock,
      limitMs: deadAfterMs,
      silent: () => this.#fail(new HeartbeatTimeoutError(deadAfterMs)),
    });
    connection.start({ data: (chunk) => this.#onData(chunk), end: (reason) => this.#onEnd(reason) });
    void this.#write(encodeHello(options.libraryVersion)).catch(ignore);
  }

  /**
   * Greets the agent. The connection is the session's from now on, also after a rejection, which is with the signal's reason or the connection's own.
   *
   * @throws AgentUnavailableError - it says nothing
   * @throws AgentIncompatibleError, ProtocolViolationError
   */
  static async open(
    connection: ByteConnection,
    options: SessionOptions,
    { signal }: AbortOptions = {},
  ): Promise<{ readonly session: AgentSession; readonly hello: AgentHello }> {
    const session = new AgentSession(connection, options);
    const { clock, podName, helloTimeoutMs } = options;
    const patience = new SilenceWatch({
      clock,
      limitMs: helloTimeoutMs,
      silent: () => session.#fail(new AgentUnavailableError(podName, `it said nothing for ${helloTimeoutMs} ms`, true)),
    });
    try {
      return { session, hello: await abortable(session.#greeting.promise, signal) };
    } catch (error) {
      session.#fail(error instanceof Error ? error : new Error('not opened', { cause: error }));
      throw error;
    } finally {
      patience.stop();
    }
  }

  /** Begins an operation with its OPEN text. The session must be idle. On a session that was closed meanwhile the operation is lost at once. */
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

  /** Resolves when the agent has answered a PING from now; rejects with `LostConnection`. */
  async heard(): Promise<void> {
    if (this.#closedBy !== undefined) throw new LostConnection(this.#closedBy);
    const pong = Promise.withResolvers<void>();
    this.#pongs.push(pong);
    this.#ping();
    await pong.promise;
  }

  /** Says goodbye. An operation that is under way is lost, for this reason. Idempotent. */
  close(reason: Error): void {
    if (this.#closedBy !== undefined) return;
    this.#end(reason);
    void this.#sayBye();
  }

  /** A connection that is closed while something is unread is reset, and a goodbye that was under way is lost: so the agent is to hang up first. */
  async #sayBye(): Promise<void> {
    const left = new AbortController();
    this.#connection.write(encodeFrame({ type: FrameType.BYE })).catch(ignore);
    await Promise.race([
      this.#hungUp.promise,
      this.#options.clock.sleep(BYE_MS, { signal: left.signal }).catch(ignore),
    ]);
    left.abort();
    this.#letGo();
  }

  #onEnd(reason: Error): void {
    this.#hungUp.resolve();
    this.#fail(reason);
  }

  #fail(reason: Error): void {
    if (this.#closedBy !== undefined) return;
    this.#end(reason);
    this.#letGo();
  }

  #letGo(): void {
    this.#connection.close();
    const operation = this.#unconfirmed;
    this.#unconfirmed = undefined;
    operation?.unconfirmed?.();
  }

  #end(reason: Error): void {
    this.#closedBy = reason;
    this.#quiet.stop();
    this.#unheard.stop();
    this.#greeting.reject(reason);
    for (const { reject } of this.#pongs.splice(0)) reject(new LostConnection(reason));
    this.#lose(reason);
    this.#options.closed(this);
  }

  #lose(reason: Error): void {
    const operation = this.#operation;
    this.#operation = undefined;
    operation?.lost(reason);
  }

  async #write(chunks: readonly Uint8Array[]): Promise<void> {
    this.#quiet.touch();
    await this.#connection.write(chunks);
  }

  #ping(): void {
    if (this.#greeted)
      void this.#write(encodeFrame({ type: FrameType.PING, opaque: Buffer.alloc(PING_BYTES) })).catch(ignore);
  }

  #onData(chunk: Uint8Array): void {
    // After a goodbye only the last confirmation is waited for.
    if (this.#closedBy !== undefined && this.#unconfirmed === undefined) return;
    this.#quiet.touch();
    this.#unheard.touch();
    try {
      this.#decoder.push(chunk);
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error('failed', { cause: error }));
    }
  }

  #onFrame(frame: Frame): void {
    if (this.#greeted) this.#confirm(frame);
    if (this.#closedBy !== undefined) return;
    if (!this.#greeted) {
      this.#greet(frame);
      return;
    }
    switch (frame.type) {
      case FrameType.PING:
        void this.#write(encodeFrame({ type: FrameType.PONG, opaque: frame.opaque })).catch(ignore);
        return;
      case FrameType.PONG:
        for (const { resolve } of this.#pongs.splice(0)) resolve();
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

  #greet(frame: Frame): void {
    if (frame.type !== FrameType.HELLO)
      throw new ProtocolViolationError(`the agent began with a frame of type ${frame.type}`);
    this.#greeted = true;
    this.#greeting.resolve(readHello(Fields.parse(frame.type, frame.text)));
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
    // The agent drops everything that comes after it, and so would never answer the next OPEN.
    if (violation || this.#operation === undefined) {
      this.#fail(new ProtocolViolationError(`the agent says: ${failure.code}: ${failure.message}`, { cause: failure }));
      return;
    }
    const operation = this.#operation;
    operation.failed(failure);
    this.#done(operation);
  }

  #done(operation: OperationHandler): void {
    this.#operation = undefined;
    const words = [...encodeFrame({ type: FrameType.DONE })];
    if (operation.isKept === true) {
      this.#unconfirmed = operation;
      this.#confirmation = randomBytes(PING_BYTES);
      words.push(...encodeFrame({ type: FrameType.PING, opaque: this.#confirmation }));
    }
    void this.#write(words).catch(ignore);
    this.#options.idle(this);
  }

  /** Between its answer and DONE an agent says nothing but PONG. */
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
  // The connection's end says why.
}
