import { addAbortListener } from 'node:events';

import { ClosedError } from '../../errors/caller.ts';
import { isRetryable } from '../../errors/error-code.ts';
import type { TransferFacts } from '../../errors/transfer.ts';
import { type AgentHello, FENCED_SINCE, RESUMABLE_SINCE } from '../session/agent-hello.ts';
import { AgentOperation } from '../session/agent-operation.ts';
import type { OperationChannel } from '../session/agent-session.ts';
import type { OperationOpener } from '../session/operation-opener.ts';
import { AgentFailure, LostConnection } from '../wire/agent-error.ts';
import type { ControlObject, Fields } from '../wire/control.ts';
import { RetryBudget } from './retry-budget.ts';
import type { TransferSettings } from './transfer-progress.ts';

/** What a resumable operation works with. */
export interface ResumableComponents {
  readonly opener: Pick<OperationOpener, 'open' | 'forget' | 'closing'>;
  readonly settings: TransferSettings;
  /** The same on all its connections. */
  readonly id: string;
  /** The fields of OPEN that say what is wanted. */
  readonly wanted: ControlObject;
  /** Of the lease under which it is done, for an agent that knows generations. */
  readonly generation?: number | undefined;
  /** Called when a connection is lost and another is looked for. */
  readonly reconnecting: (reason: Error) => void;
}

/**
 * An operation that goes on over another connection where one is lost: from the first try to open it until the agent has answered. It gives up when nothing
 * was gained for as long as the budget is, however many connections that takes. An agent that cannot keep an operation (protocol 1) loses it with its connection.
 */
export abstract class ResumableOperation extends AgentOperation {
  readonly #components: ResumableComponents;
  readonly #stopped = new AbortController();
  readonly #budget: RetryBudget;
  #attempt = 0;
  #protocol = 1;
  #isConnected = false;
  /** The agent of the present connection keeps what it has taken for a while, when its connection is lost; */
  #canKeep = false;
  /** and has begun this: it is gone on with. */
  #isBegun = false;
  /** Resolves when the agent was told to let go of it, or could not be at once. */
  #forgotten: Promise<void> | undefined;
  #reconnects = 0;

  constructor(components: ResumableComponents) {
    super(components.settings);
    this.#components = components;
    this.#budget = new RetryBudget(components.settings);
  }

  /** How often a connection was tried for it. */
  get attempts(): number {
    return this.#attempt;
  }

  /** How often it went on over another connection. */
  get reconnects(): number {
    return this.#reconnects;
  }

  /** Resolves when the agent has taken it. A rejection is the end of it; the signal stops the trying with its reason. */
  async open(signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    using _listener = signal === undefined ? undefined : addAbortListener(signal, () => void this.cancel());
    try {
      await this.#openSomewhere();
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
    // Before it was taken, whoever opens it decides.
    if (!wasOpened && !this.#stopped.signal.aborted) return;
    if (!this.#isBegun || !isRetryable(reason) || this.#stopped.signal.aborted) {
      this.#lose(reason);
      return;
    }
    this.#components.reconnecting(reason);
    this.onDisconnected();
    void this.#goOn(reason);
  }

  override failed(failure: AgentFailure): void {
    if (this.#mayBeginAnew(failure)) this.rejectOpened(failure);
    else super.failed(failure);
  }

  /** Whether the agent keeps what becomes of it, for as long as its lease is. */
  get isKept(): boolean {
    return this.#canKeep;
  }

  unconfirmed(): void {
    this.#forgotten ??= this.#forget(new RetryBudget(this.#components.settings));
  }

  /** Ends it in the pod as well, with a connection or without. Never rejects. */
  override async cancel(): Promise<void> {
    if (this.isOver) return;
    const reason = new ClosedError('the operation');
    this.#stopped.abort(reason);
    if (this.#isConnected) await super.cancel();
    else this.#lose(reason);
    await this.#forgotten;
  }

  /** Where it is. */
  abstract facts(): TransferFacts;

  /** The version of the protocol on the present connection. */
  protected get protocol(): number {
    return this.#protocol;
  }

  /** Something was gained: what had failed before is forgiven. */
  protected moved(): void {
    this.#budget.renew();
  }

  /** Fields of OPEN that say how far it is. */
  protected get position(): ControlObject {
    return {};
  }

  /** Whether every byte that has passed so far can pass again, so that an agent that has lost the operation may begin it anew. */
  protected abstract get canBeginAnew(): boolean;

  /** Its connection is lost, and another is looked for. */
  protected onDisconnected(): void {
    // Only who sends has to know.
  }

  #mayBeginAnew({ code }: AgentFailure): boolean {
    return code === 'OPERATION_GONE' && !this.isOver && !this.wasOpened && this.canBeginAnew;
  }

  /** Gives it up. What the agent keeps of it, it would keep for a whole lease. */
  #lose(reason: Error): void {
    if (this.isKept) this.unconfirmed();
    super.lost(reason);
  }

  /** Ends what the agent may keep; resolves when that was tried once. Where it cannot be reached it is tried again and again, until its lease has done it. Never rejects. */
  async #forget(budget: RetryBudget): Promise<void> {
    const { opener, id } = this.#components;
    try {
      await opener.forget(id);
    } catch (error) {
      if (isRetryable(error)) void this.#forgetLater(budget, error);
    }
  }

  async #forgetLater(budget: RetryBudget, failure: unknown): Promise<void> {
    try {
      if (await budget.wait(failure, { signal: this.#components.opener.closing })) await this.#forget(budget);
    } catch {
      // The connections are closed.
    }
  }

  async #goOn(lostBy: Error): Promise<void> {
    try {
      await this.#openSomewhere();
      this.#reconnects += 1;
    } catch (error) {
      if (this.isOver) return;
      if (error instanceof AgentFailure) this.failed(error);
      else if (error instanceof LostConnection) this.#lose(error.reason);
      else this.#lose(error instanceof Error ? error : lostBy);
    }
  }

  /** Tries until the agent has taken it, or the budget is spent. */
  async #openSomewhere(): Promise<void> {
    const signal = AbortSignal.any([this.#stopped.signal, this.#components.opener.closing]);
    let resume = this.#isBegun;
    for (;;) {
      try {
        await this.#openOnce(resume, signal);
        return;
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof AgentFailure && this.#mayBeginAnew(error)) {
          resume = false;
          continue;
        }
        const reason = error instanceof LostConnection ? error.reason : error;
        if (!isRetryable(reason) || !(await this.#budget.wait(reason, { signal }))) throw error;
      }
    }
  }

  async #openOnce(resume: boolean, signal: AbortSignal): Promise<void> {
    const { opener, id, wanted, generation, settings } = this.#components;
    const fieldsFor = ({ protocol }: AgentHello): ControlObject => {
      this.#attempt += 1;
      this.#protocol = protocol;
      this.#canKeep = protocol >= RESUMABLE_SINCE;
      const how = this.#canKeep ? { leaseMs: settings.leaseMs, resume, ...this.position } : {};
      const fence = protocol >= FENCED_SINCE ? { generation } : {};
      return { ...wanted, id, attempt: this.#attempt, ...how, ...fence };
    };
    await opener.open(this, fieldsFor, { signal });
  }
}
