import { createHash, type Hash } from 'node:crypto';
import { Readable } from 'node:stream';

import { ClosedError } from '../errors/caller.ts';
import { ProtocolViolationError } from '../errors/connection.ts';
import { DigestMismatchError, type TransferFacts } from '../errors/transfer.ts';
import type { SilenceWatch } from '../internal/silence-watch.ts';
import { type AgentFailure, type LostConnection, transferFailure } from './agent-error.ts';
import type { ControlObject, Fields } from './control.ts';
import { DataQueue } from './data-queue.ts';
import type { DataFrame, EndFrame } from './frame.ts';
import { ReceiveWindow } from './receive-window.ts';
import { type ResumableComponents, ResumableOperation } from './resumable-operation.ts';
import { type TransferResult, watchProgress } from './transfer-progress.ts';

/** How many frames are expanded at once. */
const CONCURRENCY = 3;
/** What the readable itself holds before it takes no more, beside the window. */
const READABLE_BYTES: number = 64 * 1024;

const KINDS = ['directory', 'file', 'symlink'] as const;

/** What is at the path of a download. */
export type DownloadKind = (typeof KINDS)[number];

/** The host's side of `send`: a tar archive as a readable that ends only when both ends agree on it, over as many connections as it takes. */
export class Download extends ResumableOperation {
  /**
   * Destroyed with the typed error where the archive does not come to its proven end. To destroy it ends the agent's operation. An error that comes before anybody
   * listens is not thrown: whoever reads, or looks at `errored`, finds it.
   */
  readonly readable: Readable = new Readable({
    highWaterMark: READABLE_BYTES,
    read: () => {
      this.#onRead();
    },
    destroy: (error, callback) => {
      this.#onDestroy(error);
      callback(error);
    },
  });
  readonly #windowBytes: number;
  readonly #facts: TransferFacts;
  readonly #hash: Hash = createHash('sha256');
  readonly #frames = new DataQueue({
    concurrency: CONCURRENCY,
    take: (bytes) => this.#take(bytes),
    failed: (error) => {
      this.#fail(error);
      if (!this.isOver) this.channel.abandon(error instanceof Error ? error : new Error('failed', { cause: error }));
    },
  });
  readonly #progress: SilenceWatch;
  readonly #completed = Promise.withResolvers<TransferResult>();
  #isConnected = false;
  #window: ReceiveWindow | undefined;
  #kind: DownloadKind | undefined;
  /** What was handed to the readable. */
  #pushedBytes = 0;
  #demand: (() => void) | undefined;
  #end: EndFrame | undefined;
  #settled = false;

  constructor(components: ResumableComponents, facts: TransferFacts) {
    super(components);
    this.#windowBytes = components.settings.windowBytes;
    this.#facts = facts;
    this.#completed.promise.catch(() => undefined);
    this.readable.on('error', () => undefined);
    this.#progress = watchProgress(
      components.settings,
      () => this.facts(),
      (error) => {
        // While there is something for a reader that does not take it, the agent has nothing to say; without a connection another budget counts.
        if (this.#frames.isEmpty && this.#isConnected) this.#fail(error);
      },
    );
  }

  /** Resolves when the readable was given its end; rejects with what it is destroyed with. May be left alone. */
  get completed(): Promise<TransferResult> {
    return this.#completed.promise;
  }

  /** What is at the path; known when the operation was opened. */
  get kind(): DownloadKind {
    if (this.#kind === undefined) throw new Error('the download was not opened');
    return this.#kind;
  }

  facts(): TransferFacts {
    return { ...this.#facts, bytes: this.#pushedBytes };
  }

  override data(frame: DataFrame): void {
    if (frame.stream !== 1 || this.#window === undefined || this.#end !== undefined) {
      super.data(frame);
      return;
    }
    this.#window.accept(frame);
    this.moved();
    this.#progress.touch();
    this.#frames.add(frame);
  }

  override end(frame: EndFrame): void {
    if (frame.stream !== 1 || this.#window === undefined || (this.#end !== undefined && !isSame(frame, this.#end))) super.end(frame);
    if (frame.total !== this.#window?.received)
      throw new DigestMismatchError(this.facts(), `the agent sent ${frame.total} bytes, ${this.#window?.received ?? 0} came`);
    this.#end = frame;
    this.#progress.touch();
  }

  override progress(): void {
    this.#progress.touch();
  }

  protected override get position(): ControlObject {
    return { from: this.#window?.received ?? 0 };
  }

  protected override get canBeginAnew(): boolean {
    return (this.#window?.received ?? 0) === 0;
  }

  protected override onDisconnected(): void {
    this.#isConnected = false;
  }

  protected override onOpened(fields: Fields): void {
    const [from, received] = [fields.count('from'), this.#window?.received ?? 0];
    if (from !== received) throw new ProtocolViolationError(`a download that goes on at ${from} and not at ${received}`);
    this.#isConnected = true;
    this.#kind = fields.word('kind', KINDS);
    this.#progress.touch();
    if (this.#window !== undefined) this.#window.repeat();
    this.#window ??= new ReceiveWindow({
      stream: 1,
      from: 0,
      windowBytes: this.#windowBytes,
      send: (frame) => {
        this.channel.send(frame);
      },
    });
  }

  protected override onResult(fields: Fields): void {
    const end = this.#end;
    if (end === undefined) throw new ProtocolViolationError('RESULT of a download that has not ended');
    const result: TransferResult = { bytes: fields.count('bytes'), sha256: fields.string('sha256'), entries: fields.count('entries') };
    if (result.bytes !== end.total || result.sha256 !== end.digest.toString('hex'))
      throw new ProtocolViolationError('END and RESULT of a download differ');
    void this.#finish(result);
  }

  protected override onOver(error: AgentFailure | LostConnection | undefined): void {
    this.#progress.stop();
    if (error !== undefined) this.#fail(error);
  }

  async #finish(result: TransferResult): Promise<void> {
    await this.#frames.whenEmpty();
    const sha256 = this.#hash.digest('hex');
    if (sha256 !== result.sha256) {
      this.#fail(new DigestMismatchError(this.facts(), `the agent sent bytes with SHA-256 ${result.sha256}, those that came have ${sha256}`));
      return;
    }
    this.#settled = true;
    this.readable.push(null);
    this.#completed.resolve(result);
  }

  #take(bytes: Uint8Array): Promise<void> | undefined {
    this.#hash.update(bytes);
    this.#pushedBytes += bytes.byteLength;
    const wantsMore = this.readable.push(bytes);
    this.#window?.dealtWith(this.#pushedBytes);
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

  #fail(error: unknown): void {
    const told = transferFailure(error, this.facts());
    this.readable.destroy(told instanceof Error ? told : new Error('failed', { cause: told }));
  }

  /** However it ends before its end: by the agent, the connection, the reader or a signal. */
  #onDestroy(error: Error | null): void {
    this.#progress.stop();
    this.#frames.stop();
    if (this.#settled) return;
    this.#settled = true;
    this.#completed.reject(error ?? new ClosedError('the reader of the archive'));
    void this.cancel();
  }
}

function isSame(a: EndFrame, b: EndFrame): boolean {
  return a.total === b.total && a.digest.equals(b.digest);
}
