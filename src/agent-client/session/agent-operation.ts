import { HeartbeatTimeoutError, ProtocolViolationError } from '../../errors/connection.ts';
import type { Clock } from '../../runtime/options.ts';
import { type AgentFailure, LostConnection } from '../wire/agent-error.ts';
import type { Fields } from '../wire/control.ts';
import { type DataFrame, type EndFrame, FrameType, type WindowFrame } from '../wire/frame.ts';
import type { OperationChannel, OperationHandler } from './agent-session.ts';

export interface OperationContext {
  readonly clock: Clock;
  /**
   * How long the agent may take to answer a CANCEL, in milliseconds, before the connection is
   * closed.
   */
  readonly cancelTimeoutMs: number;
}

/**
 * The host's side of one operation, from OPEN to the agent's answer. Complete for operations
 * without streams; other operations extend it. Its promises reject with an `AgentFailure` or a
 * `LostConnection`; handling the rejection is optional. `whenOpened` belongs to the current
 * connection.
 */
export class AgentOperation implements OperationHandler {
  protected readonly context: OperationContext;
  #opened = newOpening();
  readonly #answer = Promise.withResolvers<Fields>();
  #channel: OperationChannel | undefined;
  /** Whether OPENED has arrived, and whether it was handled. */
  #hasOpened = false;
  #isOpened = false;
  #isOver = false;
  #cancelled: Promise<void> | undefined;

  constructor(context: OperationContext) {
    this.context = context;
    this.#answer.promise.catch(ignore);
  }

  /** Resolves with the fields of OPENED, or those of RESULT if the agent sends no OPENED. */
  get whenOpened(): Promise<Fields> {
    return this.#opened.promise;
  }

  /** Resolves with the fields of RESULT. */
  get answer(): Promise<Fields> {
    return this.#answer.promise;
  }

  /** Whether the operation was answered or lost. */
  get isOver(): boolean {
    return this.#isOver;
  }

  bind(channel: OperationChannel): void {
    this.#channel = channel;
    this.#opened = newOpening();
    this.#hasOpened = false;
    this.#isOpened = false;
  }

  /**
   * Sends CANCEL and waits for the agent's answer. Closes the connection if none arrives. Never
   * rejects.
   */
  async cancel(): Promise<void> {
    if (!this.#isOver) await (this.#cancelled ??= this.#cancel());
  }

  opened(fields: Fields): void {
    if (this.#hasOpened) throw new ProtocolViolationError('a second OPENED');
    this.#hasOpened = true;
    this.onOpened(fields);
    this.#isOpened = true;
    this.#opened.resolve(fields);
  }

  data({ stream }: DataFrame): void {
    throw new ProtocolViolationError(`DATA of stream ${stream} in an operation without it`);
  }

  window({ stream }: WindowFrame): void {
    throw new ProtocolViolationError(`WINDOW of stream ${stream} in an operation without it`);
  }

  end({ stream }: EndFrame): void {
    throw new ProtocolViolationError(`END of stream ${stream} in an operation without it`);
  }

  progress(_fields: Fields): void {
    // Only transfers and attachments use PROGRESS.
  }

  answered(fields: Fields): void {
    this.onResult(fields);
    this.#isOver = true;
    this.#opened.resolve(fields);
    this.#answer.resolve(fields);
    this.onOver(undefined);
  }

  failed(failure: AgentFailure): void {
    this.#reject(failure);
  }

  lost(reason: Error): void {
    this.#reject(new LostConnection(reason));
  }

  protected get channel(): OperationChannel {
    if (this.#channel === undefined) throw new Error('the operation has no connection');
    return this.#channel;
  }

  protected get wasOpened(): boolean {
    return this.#isOpened;
  }

  /** Rejects `whenOpened` of the current connection. The operation itself may continue. */
  protected rejectOpened(error: unknown): void {
    this.#opened.reject(error);
  }

  /** Handles OPENED. An error that it throws ends the connection. */
  protected onOpened(_fields: Fields): void {
    // Extended by operations with streams.
  }

  /** Handles RESULT. An error that it throws ends the connection. */
  protected onResult(_fields: Fields): void {
    // The caller reads the fields from `answer`.
  }

  /** Called once, when the operation is answered or lost. */
  protected onOver(_error: AgentFailure | LostConnection | undefined): void {
    // `answer` has settled.
  }

  async #cancel(): Promise<void> {
    const { clock, cancelTimeoutMs } = this.context;
    const answered = new AbortController();
    this.channel.send({ type: FrameType.CANCEL });
    void this.#answer.promise.catch(ignore).then(() => {
      answered.abort();
    });
    await clock.sleep(cancelTimeoutMs, { signal: answered.signal }).catch(ignore);
    this.channel.abandon(new HeartbeatTimeoutError(cancelTimeoutMs));
  }

  #reject(error: AgentFailure | LostConnection): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#opened.reject(error);
    this.#answer.reject(error);
    this.onOver(error);
  }
}

function newOpening(): PromiseWithResolvers<Fields> {
  const opening = Promise.withResolvers<Fields>();
  opening.promise.catch(ignore);
  return opening;
}

function ignore(): void {
  // Another promise reports the error.
}
