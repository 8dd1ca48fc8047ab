import { ProtocolViolationError } from '../../errors/connection.ts';
import { DigestMismatchError, type TransferFacts } from '../../errors/transfer.ts';
import type { SilenceWatch } from '../../internal/silence-watch.ts';
import type { LentPlace } from '../session/lent-place.ts';
import type { AgentFailure, LostConnection } from '../wire/agent-error.ts';
import type { ControlObject, Fields } from '../wire/control.ts';
import type { DataFrame, EndFrame } from '../wire/frame.ts';
import { ReceiveWindow } from '../wire/receive-window.ts';
import { type ResumableComponents, ResumableOperation } from './resumable-operation.ts';
import { type TransferResult, watchProgress } from './transfer-progress.ts';

const KINDS = ['directory', 'file', 'symlink'] as const;

/** What is at the path of a download. */
export type DownloadKind = (typeof KINDS)[number];

/** The host's side of `send`, whoever takes the frames: they come in their order, each byte once, over as many connections as it takes, and no more than a window of them is held. */
export abstract class DownloadOperation extends ResumableOperation {
  readonly #place: LentPlace;
  readonly #windowBytes: number;
  readonly #facts: TransferFacts;
  readonly #progress: SilenceWatch;
  #isConnected = false;
  #window: ReceiveWindow | undefined;
  #kind: DownloadKind | undefined;
  #end: EndFrame | undefined;
  #dealtWith = 0;

  /** @param place - among the downloads of all pods; others may have it while the reader takes nothing */
  constructor(components: ResumableComponents, facts: TransferFacts, place: LentPlace) {
    super(components);
    this.#place = place;
    this.#windowBytes = components.settings.windowBytes;
    this.#facts = facts;
    this.#progress = watchProgress(
      components.settings,
      () => this.facts(),
      (error) => {
        // The agent has nothing to say while the reader does not take what is there, or while others have its place; without a connection another budget counts.
        if (this.#dealtWith === this.#window?.received && this.#isConnected && place.isHeld) this.fail(error);
      },
    );
  }

  /** What is at the path; known when the operation was opened. */
  get kind(): DownloadKind {
    if (this.#kind === undefined) throw new Error('the download was not opened');
    return this.#kind;
  }

  override facts(): TransferFacts {
    return { ...this.#facts, bytes: this.#dealtWith };
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
    // As long as the reader does not take what came, the agent sends nothing more.
    if (this.#window.isSpent) this.#place.lend();
  }

  override end(frame: EndFrame): void {
    if (frame.stream !== 1 || this.#window === undefined || (this.#end !== undefined && !isSame(frame, this.#end)))
      super.end(frame);
    if (frame.total !== this.#window?.received)
      throw new DigestMismatchError(
        this.facts(),
        `the agent sent ${frame.total} bytes, ${this.#window?.received ?? 0} came`,
      );
    this.#end = frame;
    this.#progress.touch();
  }

  override progress(): void {
    this.#progress.touch();
  }

  /** Takes what came. */
  protected abstract take(frame: DataFrame): void;

  /** All of it came, and the agent has said so twice. */
  protected abstract proven(result: TransferResult): void;

  /** It is over, and did not come to its end. */
  protected abstract fail(error: unknown): void;

  /** So many more bytes need not be held any longer. */
  protected dealtWith(bytes: number): void {
    this.#dealtWith += bytes;
    if (this.#place.isHeld) this.#window?.dealtWith(this.#dealtWith);
    else if (this.#window?.isWorthSaying(this.#dealtWith) === true) void this.#grantInTurn();
  }

  /** Nobody waits for anything any more. */
  protected stopWatching(): void {
    this.#progress.stop();
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
    if (from !== received)
      throw new ProtocolViolationError(`a download that goes on at ${from} and not at ${received}`);
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
    const result: TransferResult = {
      bytes: fields.count('bytes'),
      sha256: fields.string('sha256'),
      entries: fields.count('entries'),
    };
    if (result.bytes !== end.total || result.sha256 !== end.digest.toString('hex'))
      throw new ProtocolViolationError('END and RESULT of a download differ');
    this.proven(result);
  }

  /** Bytes of its own are all that a download with no place may deal with. */
  async #grantInTurn(): Promise<void> {
    try {
      await this.#place.take();
    } catch {
      return; // It is over.
    }
    this.#progress.touch();
    this.#window?.dealtWith(this.#dealtWith);
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
