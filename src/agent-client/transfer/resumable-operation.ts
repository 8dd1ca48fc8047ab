import { addAbortListener } from 'node:events';

import { ClosedError } from '../../errors/caller.ts';
import { isRetryable } from '../../errors/error-code.ts';
import type { TransferFacts } from '../../errors/transfer.ts';
import { retry } from '../../retry/retry.ts';
import { RetryPace } from '../../retry/retry-pace.ts';
import { type AgentHello, FENCED_SINCE, RESUMABLE_SINCE } from '../session/agent-hello.ts';
import { AgentOperation } from '../session/agent-operation.ts';
import type { OperationChannel } from '../session/agent-session.ts';
import type { OperationOpener } from '../session/operation-opener.ts';
import { AgentFailure, LostConnection } from '../wire/agent-error.ts';
import type { ControlObject, Fields } from '../wire/control.ts';
import type { TransferSettings } from './transfer-progress.ts';

export interface ResumableComponents {
  readonly opener: Pick<OperationOpener, 'open' | 'forget' | 'closing'>;
  readonly settings: TransferSettings;
  /** The operation's id, the same on all its connections. */
  readonly id: string;
  /** The fields of OPEN that describe the transfer. */
  readonly request: ControlObject;
  /** The generation of the covering lease. Sent only to agents that support generations. */
  readonly generation?: number | undefined;
  /** Whether the operation may begin again after the agent has lost it. @defaultValue true */
  readonly mayRestart?: boolean | undefined;
  /** Called when a connection is lost and the operation reconnects. */
  readonly reconnecting: (reason: Error) => void;
}

/**
 * An operation that resumes over another connection when it loses one, from the first try to open
 * it until the agent has answered. It fails when it makes no progress for the time of the retry
 * budget, over any number of connections. An agent that cannot keep an operation (protocol 1) loses
 * it with its connection.
 */
export abstract class ResumableOperation extends AgentOperation {
  readonly #components: ResumableComponents;
  readonly #stopped = new AbortController();
  readonly #pace: RetryPace;
  #attempt = 0;
  #protocol = 1;
  #isConnected = false;
  /** Whether the agent keeps the operation for a while if its connection is lost. */
  #canKeep = false;
  /** Whether the agent has opened the operation and keeps it: the next OPEN resumes it. */
  #isBegun = false;
  /**
   * Resolves when the agent was sent a request to forget the operation, or could not be reached at
   * once.
   */
  #forgotten: Promise<void> | undefined;
  #reconnects = 0;

  constructor(components: ResumableComponents) {
    super(components.settings);
    this.#components = components;
    this.#pace = new RetryPace(components.settings.retries);
  }

  /** How often the operation sent OPEN. */
  get attempts(): number {
    return this.#attempt;
  }

  /** How often the operation resumed over another connection. */
  get reconnects(): number {
    return this.#reconnects;
  }

  /**
   * Resolves when the agent has opened the operation. A rejection ends the operation. An abort of
   * the signal stops the tries, and rejects with its reason.
   */
  async open(signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    using _listener = signal === undefined ? undefined : addAbortListener(signal, () => void this.cancel());
    try {
      await this.#openWithRetries();
    } catch (error) {
      void this.cancel();
      signal?.throwIfAborted();
      throw error;
    }
  }

  override bind(channel: OperationChannel): void {
    super.bind(channel);
    this.#isConnected = true;
  }

  override opened(fields: Fields): void {
    this.#isBegun = this.#canKeep;
    super.opened(fields);
  }

  override lost(reason: Error): void {
    if (this.isOver) return;
    const wasOpened = this.wasOpened;
    this.#isConnected = false;
    this.rejectOpened(new LostConnection(reason));
    // Until OPENED was handled, the caller of `open` decides: handling it may lose the connection.
    if (!wasOpened && !this.#stopped.signal.aborted) {
      this.onDisconnected();
      return;
    }
    if (!this.#isBegun || !isRetryable(reason) || this.#stopped.signal.aborted) {
      this.#lose(reason);
      return;
    }
    this.#components.reconnecting(reason);
    this.onDisconnected();
    void this.#resume(reason);
  }

  override failed(failure: AgentFailure): void {
    if (this.#mayRestart(failure)) this.rejectOpened(failure);
    else super.failed(failure);
  }

  /** Whether the agent keeps the answer until the lease expires. */
  get isKept(): boolean {
    return this.#canKeep;
  }

  unconfirmed(): void {
    this.#forgotten ??= this.#forget(new RetryPace(this.#components.settings.retries));
  }

  /** Ends the operation, in the pod as well, with or without a connection. Never rejects. */
  override async cancel(): Promise<void> {
    if (this.isOver) return;
    const reason = new ClosedError('the operation');
    this.#stopped.abort(reason);
    if (this.#isConnected) await super.cancel();
    else this.#lose(reason);
    await this.#forgotten;
  }

  /** The facts for errors, with the current position. */
  abstract facts(): TransferFacts;

  /** The protocol version of the current connection. */
  protected get protocol(): number {
    return this.#protocol;
  }

  /** Records progress: renews the retry budget. */
  protected moved(): void {
    this.#pace.renew();
  }

  /** The fields of OPEN that hold the current position. */
  protected get position(): ControlObject {
    return {};
  }

  /**
   * Whether every byte so far can be transferred again, so that the operation can restart after the
   * agent has lost it.
   */
  protected abstract get canRestart(): boolean;

  /** Called when the connection is lost and the operation reconnects. */
  protected onDisconnected(): void {
    // Only senders need it.
  }

  #mayRestart({ code }: AgentFailure): boolean {
    if (code !== 'OPERATION_GONE' || this.#components.mayRestart === false) return false;
    return !this.isOver && !this.wasOpened && this.canRestart;
  }

  /**
   * Fails the operation, and makes the agent forget it: the agent would keep it for a whole lease.
   */
  #lose(reason: Error): void {
    if (this.isKept) this.unconfirmed();
    super.lost(reason);
  }

  /**
   * Makes the agent forget the operation. Resolves after the first try. If the agent cannot be
   * reached, retries in the background until the lease expires. Never rejects.
   */
  async #forget(pace: RetryPace): Promise<void> {
    const { opener, id } = this.#components;
    try {
      await opener.forget(id);
    } catch (error) {
      if (isRetryable(error)) void this.#forgetLater(pace, error);
    }
  }

  async #forgetLater(pace: RetryPace, failure: unknown): Promise<void> {
    try {
      if (await pace.wait(failure, { signal: this.#components.opener.closing })) await this.#forget(pace);
    } catch {
      // The connections are closed.
    }
  }

  async #resume(lostBy: Error): Promise<void> {
    try {
      await this.#openWithRetries();
      this.#reconnects += 1;
    } catch (error) {
      if (this.isOver) return;
      if (error instanceof AgentFailure) this.failed(error);
      else if (error instanceof LostConnection) this.#lose(error.reason);
      else this.#lose(error instanceof Error ? error : lostBy);
    }
  }

  /** Tries until the agent has opened the operation or the retry budget is spent. */
  async #openWithRetries(): Promise<void> {
    const signal = AbortSignal.any([this.#stopped.signal, this.#components.opener.closing]);
    let resume = this.#isBegun;
    await retry(() => this.#openOnce(resume, signal), {
      pace: this.#pace,
      signal,
      decide: (error) => {
        if (error instanceof AgentFailure && this.#mayRestart(error)) {
          resume = false;
          return 'at once';
        }
        if (!isRetryable(error instanceof LostConnection ? error.reason : error)) throw error;
        return 'wait';
      },
    });
  }

  async #openOnce(resume: boolean, signal: AbortSignal): Promise<void> {
    const { opener, id, request, generation, settings } = this.#components;
    const fieldsFor = ({ protocol }: AgentHello): ControlObject => {
      this.#attempt += 1;
      this.#protocol = protocol;
      this.#canKeep = protocol >= RESUMABLE_SINCE;
      const resumption = this.#canKeep ? { leaseMs: settings.leaseMs, resume, ...this.position } : {};
      const fence = protocol >= FENCED_SINCE ? { generation } : {};
      return { ...request, id, attempt: this.#attempt, ...resumption, ...fence };
    };
    await opener.open(this, fieldsFor, { signal });
  }
}
