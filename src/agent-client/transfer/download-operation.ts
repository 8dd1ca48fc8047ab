import { ProtocolViolationError } from '../../errors/connection.ts';
import { DigestMismatchError, type TransferFacts } from '../../errors/transfer.ts';
import type { SilenceWatch } from '../../internal/silence-watch.ts';
import type { LentPlace } from '../session/lent-place.ts';
import type { AgentFailure, LostConnection } from '../wire/agent-error.ts';
import type { ControlObject, Fields } from '../wire/control.ts';
import type { DataFrame, EndFrame } from '../wire/frame.ts';
import { ReceiveWindow } from '../wire/receive-window.ts';
import { type ResumableComponents, ResumableOperation } from './resumable-operation.ts';
import { readTransferResult, type TransferResult, watchProgress } from './transfer-progress.ts';

const KINDS = ['directory', 'file', 'symlink'] as const;

/** The kind of file at the path of a download. */
export type DownloadKind = (typeof KINDS)[number];

/**
 * The host's side of `send`. Subclasses receive the frames in order, each byte once, over any
 * number of connections. At most one window of bytes is held.
 */
export abstract class DownloadOperation extends ResumableOperation {
  readonly #place: LentPlace;
  readonly #windowBytes: number;
  readonly #facts: TransferFacts;
  readonly #progress: SilenceWatch;
  #isConnected = false;
  #window: ReceiveWindow | undefined;
  #kind: DownloadKind | undefined;
  #end: EndFrame | undefined;
  #consumed = 0;

  /**
   * @param place - one of the places for downloads that all pods share; lent to others while the
   * reader consumes nothing
   */
  constructor(components: ResumableComponents, facts: TransferFacts, place: LentPlace) {
    super(components);
    this.#place = place;
    this.#windowBytes = components.settings.windowBytes;
    this.#facts = facts;
    this.#progress = watchProgress(
      components.settings,
      () => this.facts(),
      (error) => {
        // The agent is silent for a reason while the reader consumes nothing, or while the place is
        // lent. Without a connection the retry budget applies.
        if (this.#consumed === this.#window?.received && this.#isConnected && place.isHeld) this.fail(error);
      },
    );
  }

  /** The kind of file at the path. Throws before the operation was opened. */
  get kind(): DownloadKind {
    if (this.#kind === undefined) throw new Error('the download was not opened');
    return this.#kind;
  }

  override facts(): TransferFacts {
    return { ...this.#facts, bytes: this.#consumed };
  }

  override data(frame: DataFrame): void {
    if (frame.stream !== 1 || this.#window === undefined || this.#end !== undefined) {
      super.data(frame);
      return;
    }
    this.#window.accept(frame);
    this.moved();
    this.#progress.touch();
    this.take(frame);
    // Until the reader consumes the bytes, the agent sends nothing more.
    if (this.#window.isSpent) this.#place.lend();
  }

  override end(frame: EndFrame): void {
    if (frame.stream !== 1 || this.#window === undefined || (this.#end !== undefined && !isSame(frame, this.#end)))
      super.end(frame);
    if (frame.total !== this.#window?.received)
      throw new DigestMismatchError(
        this.facts(),
        `the agent sent ${frame.total} bytes, ${this.#window?.received ?? 0} were received`,
      );
    this.#end = frame;
    this.#progress.touch();
  }

  override progress(): void {
    this.#progress.touch();
  }

  /** Handles the next frame. */
  protected abstract take(frame: DataFrame): void;

  /** Called when every byte was received and END and RESULT agree. */
  protected abstract proven(result: TransferResult): void;

  /** Fails the download. */
  protected abstract fail(error: unknown): void;

  /** Releases the window of that many further bytes. */
  protected consumed(bytes: number): void {
    this.#consumed += bytes;
    if (this.#place.isHeld) this.#window?.consumed(this.#consumed);
    else if (this.#window?.isWorthSending(this.#consumed) === true) void this.#grantWhenHeld();
  }

  /** Stops the stall detection. */
  protected stopWatching(): void {
    this.#progress.stop();
  }

  protected override get position(): ControlObject {
    return { from: this.#window?.received ?? 0 };
  }

  protected override get canRestart(): boolean {
    return (this.#window?.received ?? 0) === 0;
  }

  protected override onDisconnected(): void {
    this.#isConnected = false;
  }

  protected override onOpened(fields: Fields): void {
    const [from, received] = [fields.count('from'), this.#window?.received ?? 0];
    if (from !== received) throw new ProtocolViolationError(`a download resumes at ${from}, not at ${received}`);
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
    const result = readTransferResult(fields);
    if (result.bytes !== end.total || result.sha256 !== end.digest.toString('hex'))
      throw new ProtocolViolationError('END and RESULT of a download differ');
    this.proven(result);
  }

  /**
   * Waits for a place before it grants the agent more of the window: a download without a place may
   * only consume bytes that it has received.
   */
  async #grantWhenHeld(): Promise<void> {
    try {
      await this.#place.take();
    } catch {
      return; // The download has ended.
    }
    this.#progress.touch();
    this.#window?.consumed(this.#consumed);
  }

  protected override onOver(error: AgentFailure | LostConnection | undefined): void {
    this.#progress.stop();
    this.#place.close();
    if (error !== undefined) this.fail(error);
  }
}

function isSame(a: EndFrame, b: EndFrame): boolean {
  return a.total === b.total && a.digest.equals(b.digest);
}
