import { createHash, type Hash } from 'node:crypto';
import { addAbortListener } from 'node:events';
import { Readable } from 'node:stream';

import { ClosedError } from '../../errors/caller.ts';
import { DigestMismatchError, OperationLostError, type TransferFacts } from '../../errors/transfer.ts';
import { abortReason } from '../../internal/abort.ts';
import type { LentPlace } from '../session/lent-place.ts';
import { transferFailure } from '../wire/agent-error.ts';
import { DataQueue } from '../wire/data-queue.ts';
import type { DataFrame } from '../wire/frame.ts';
import { DownloadOperation } from './download-operation.ts';
import type { ResumableComponents } from './resumable-operation.ts';
import type { TransferResult } from './transfer-progress.ts';

/** The number of frames that are expanded concurrently. */
const CONCURRENCY = 3;
/** The readable's own buffer, in addition to the window. */
const READABLE_BYTES: number = 64 * 1024;

/**
 * Resolves with the error to report in place of an `OperationLostError`: the caller may know the
 * state of the pod. Never rejects.
 */
export type ExplainLoss = (error: OperationLostError) => Promise<Error>;

/** A download as a readable of the raw archive. It ends only when both ends agree on the bytes. */
export class Download extends DownloadOperation {
  /**
   * Destroyed with the typed error if the archive does not reach its verified end. Destroying the
   * readable ends the agent's operation. An error before the first listener does not throw: a read
   * reports it, and so does `errored`.
   */
  readonly readable: Readable = new Readable({
    highWaterMark: READABLE_BYTES,
    read: () => {
      this.#onRead();
    },
    destroy: (error, callback) => {
      void this.#onDestroy(error).then(callback);
    },
  });
  readonly #hash: Hash = createHash('sha256');
  readonly #frames = new DataQueue({
    concurrency: CONCURRENCY,
    take: (bytes) => this.#push(bytes),
    failed: (error) => {
      this.fail(error);
      if (!this.isOver) this.channel.abandon(error instanceof Error ? error : new Error('failed', { cause: error }));
    },
  });
  readonly #explain: ExplainLoss | undefined;
  readonly #completed = Promise.withResolvers<TransferResult>();
  #demand: (() => void) | undefined;
  #settled = false;

  constructor(components: ResumableComponents, facts: TransferFacts, place: LentPlace, explain?: ExplainLoss) {
    super(components, facts, place);
    this.#explain = explain;
    this.#completed.promise.catch(() => undefined);
    this.readable.on('error', () => undefined);
  }

  /**
   * Resolves when the readable has received its end. Rejects with the error that destroys it.
   * Handling the rejection is optional.
   */
  get completed(): Promise<TransferResult> {
    return this.#completed.promise;
  }

  /**
   * Makes the signal destroy the readable.
   *
   * @throws the error of a readable that is destroyed already
   */
  endWith(signal: AbortSignal | undefined): void {
    if (this.readable.errored !== null) throw this.readable.errored;
    if (signal === undefined) return;
    const listener = addAbortListener(signal, () => this.readable.destroy(abortReason(signal)));
    this.readable.once('close', () => {
      listener[Symbol.dispose]();
    });
  }

  protected override take(frame: DataFrame): void {
    this.#frames.add(frame);
  }

  protected override onDisconnected(): void {
    super.onDisconnected();
    this.#frames.interrupt();
  }

  protected override proven(result: TransferResult): void {
    void this.#finish(result);
  }

  protected override fail(error: unknown): void {
    const failure = transferFailure(error, this.facts());
    this.readable.destroy(failure instanceof Error ? failure : new Error('failed', { cause: failure }));
  }

  async #finish(result: TransferResult): Promise<void> {
    await this.#frames.whenEmpty();
    const sha256 = this.#hash.digest('hex');
    if (sha256 !== result.sha256) {
      this.fail(
        new DigestMismatchError(
          this.facts(),
          `the agent sent bytes with SHA-256 ${result.sha256}, the received bytes have ${sha256}`,
        ),
      );
      return;
    }
    this.#settled = true;
    this.readable.push(null);
    this.#completed.resolve(result);
  }

  #push(bytes: Uint8Array): Promise<void> | undefined {
    this.#hash.update(bytes);
    const wantsMore = this.readable.push(bytes);
    this.consumed(bytes.byteLength);
    if (wantsMore) return undefined;
    return new Promise((resolve) => {
      this.#demand = resolve;
    });
  }

  #onRead(): void {
    const demand = this.#demand;
    this.#demand = undefined;
    demand?.();
  }

  /** Called for every early end: by the agent, the connection, the reader or a signal. */
  async #onDestroy(error: Error | null): Promise<Error | null> {
    this.stopWatching();
    this.#frames.stop();
    if (this.#settled) return error;
    this.#settled = true;
    void this.cancel();
    const reason = error instanceof OperationLostError ? ((await this.#explain?.(error)) ?? error) : error;
    this.#completed.reject(reason ?? new ClosedError('the reader of the archive'));
    return reason;
  }
}
