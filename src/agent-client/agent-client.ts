import { randomUUID } from 'node:crypto';
import { addAbortListener } from 'node:events';
import type { Readable } from 'node:stream';

import { ClosedError } from '../errors/caller.ts';
import type { ProcessFacts } from '../errors/process.ts';
import { LeaseLostError } from '../errors/repository.ts';
import type { TransferFacts } from '../errors/transfer.ts';
import { abortReason } from '../internal/abort.ts';
import type { Backoff } from '../internal/backoff.ts';
import type { AbortOptions, Clock, Logger } from '../runtime/options.ts';
import type { WindowSize } from '../runtime/process.ts';
import type { TransferObserver } from '../runtime/transfer-report.ts';
import type { ReadOnceSource, StreamSource } from '../runtime/volume.ts';
import { type AgentStatus, readStatus } from './agent-status.ts';
import type { AttachSpec, CopySpec, ReceiveSpec, RemoveSpec, SendSpec, StartSpec } from './process/agent-specs.ts';
import { AttachOperation } from './process/attach-operation.ts';
import type { Attachment, AttachSinks } from './process/attachment.ts';
import { type AgentProcessResult, readProcessResult } from './process/process-result.ts';
import { type AgentHello, FENCED_SINCE } from './session/agent-hello.ts';
import type { ByteConnection } from './session/byte-connection.ts';
import { ConnectionLimits } from './session/connection-limits.ts';
import { LentPlace } from './session/lent-place.ts';
import { OperationOpener, type PlaceUntil } from './session/operation-opener.ts';
import { SessionPool } from './session/session-pool.ts';
import { Download, type ExplainLoss } from './transfer/download.ts';
import type { DownloadKind, DownloadOperation } from './transfer/download-operation.ts';
import { FrameDownload } from './transfer/frame-download.ts';
import { repeatedly } from './transfer/repeatedly.ts';
import type { ResumableComponents, ResumableOperation } from './transfer/resumable-operation.ts';
import type { TransferResult, TransferSettings } from './transfer/transfer-progress.ts';
import { Upload, type UploadResult } from './transfer/upload.ts';
import { ByteFeed, RelayFeed, type UploadFeed } from './transfer/upload-feed.ts';
import {
  AgentFailure,
  LostConnection,
  processFailure,
  processStartError,
  transferFailure,
  transferOutcome,
} from './wire/agent-error.ts';
import { type AgentText, type ControlObject, type Fields } from './wire/control.ts';

/** What the agent keeps for nobody costs little; a host that is slow to come back loses a transfer. */
const LEAST_LEASE_MS = 900_000;

/** Times in milliseconds, sizes in bytes. */
export interface AgentClientOptions {
  /** The library's version, for the agent's log. @defaultValue `'0'` */
  readonly libraryVersion?: string | undefined;
  /** How many idle connections are kept, @defaultValue 2 */
  readonly maxIdle?: number | undefined;
  /** and for how long. @defaultValue 30_000 */
  readonly idleMs?: number | undefined;
  /** How long the agent may take to greet. @defaultValue 30_000 */
  readonly helloTimeoutMs?: number | undefined;
  /** After how long a silence the agent is pinged. @defaultValue 10_000 */
  readonly pingAfterMs?: number | undefined;
  /** After how long a silence of the agent a connection is dead. @defaultValue 60_000 */
  readonly deadAfterMs?: number | undefined;
  /** How long no byte of a transfer may move. @defaultValue 120_000 */
  readonly stallMs?: number | undefined;
  /** How long the agent may take to answer a cancellation. @defaultValue 5_000 */
  readonly cancelTimeoutMs?: number | undefined;
  /** How long a transfer goes on looking for a connection without a byte gained. @defaultValue 300_000 */
  readonly retryBudgetMs?: number | undefined;
  /** How long it waits between two tries. @defaultValue 100 to 5,000 */
  readonly retryBackoff?: Backoff | undefined;
  /** The most bytes of a download that are held. @defaultValue 6 MiB */
  readonly downloadWindowBytes?: number | undefined;
  /** The most bytes of each output stream that are held. @defaultValue 1 MiB */
  readonly outputWindowBytes?: number | undefined;
}

/** What a client needs. */
export interface AgentClientComponents {
  /** Opens a connection to the agent; its errors are typed. */
  readonly connect: (options: AbortOptions) => Promise<ByteConnection>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The pod's name, and the handle of the container or volume that it is: for errors. */
  readonly podName: string;
  readonly handle: string;
  /** Shared by all clients of a worker. @defaultValue its own */
  readonly limits?: ConnectionLimits | undefined;
  /** Told of each transfer when it has ended. @defaultValue nobody */
  readonly transferEnded?: TransferObserver | undefined;
  readonly options?: AgentClientOptions | undefined;
}

/** Options of an upload. */
export interface UploadOptions extends AbortOptions {
  /** Asked at the source's end: whether the encoding that it came in has proven that nothing is missing. @defaultValue never */
  readonly isProven?: (() => boolean) | undefined;
}

export interface AttachmentOptions extends AbortOptions {
  /** Whether the caller has a place from `attachmentPlace`. @defaultValue false */
  readonly hasPlace?: boolean | undefined;
}

/** A download that has begun. */
export interface AgentDownload {
  /** What is at the path. */
  readonly kind: DownloadKind;
  /**
   * The raw tar archive. It ends only when count and digest agree at both ends; otherwise it is destroyed with the typed error, which is not thrown if nobody
   * listens. To destroy it ends the agent's operation.
   */
  readonly readable: Readable;
  /** Resolves at the readable's end, rejects with what it was destroyed with. May be left alone. */
  readonly completed: Promise<TransferResult>;
}

/**
 * What the agent of one pod can be asked for: each call is an operation on a connection, which is opened if no idle one is there. Errors are the library's; a
 * signal makes a call reject with its own reason. Transfers go on over another connection where one is lost; of everything else nothing is tried again but on an idle connection that turns
 * out to be dead.
 */
export class AgentClient {
  readonly #components: AgentClientComponents;
  readonly #opener: OperationOpener;
  readonly #transfers: TransferSettings;
  readonly #outputWindowBytes: number;

  constructor(components: AgentClientComponents) {
    const { connect, clock, logger, podName, options = {} } = components;
    const { deadAfterMs = 60_000, retryBudgetMs = 300_000 } = options;
    this.#components = components;
    this.#transfers = {
      clock,
      retryBudgetMs,
      retryBackoff: options.retryBackoff ?? { firstMs: 100, longestMs: 5_000 },
      // Both ends may need that long to notice that a connection is dead.
      leaseMs: Math.max(LEAST_LEASE_MS, retryBudgetMs + 2 * deadAfterMs),
      cancelTimeoutMs: options.cancelTimeoutMs ?? 5_000,
      stallMs: options.stallMs ?? 120_000,
      windowBytes: options.downloadWindowBytes ?? 6 * 1024 * 1024,
    };
    this.#outputWindowBytes = options.outputWindowBytes ?? 1024 * 1024;
    const pool = new SessionPool({
      connect,
      clock,
      logger,
      podName,
      libraryVersion: options.libraryVersion ?? '0',
      maxIdle: options.maxIdle ?? 2,
      idleMs: options.idleMs ?? 30_000,
      helloTimeoutMs: options.helloTimeoutMs ?? 30_000,
      pingAfterMs: options.pingAfterMs ?? 10_000,
      deadAfterMs,
    });
    this.#opener = new OperationOpener(pool, {
      ...this.#transfers,
      limits: components.limits ?? new ConnectionLimits(),
    });
  }

  /**
   * What the agent says of itself; it was just heard, so that this tells whether it can be reached.
   *
   * @throws AgentUnavailableError, AgentIncompatibleError, and what `connect` fails with
   */
  async hello(options: AbortOptions = {}): Promise<AgentHello> {
    try {
      return await this.#opener.hello(options);
    } catch (error) {
      throw error instanceof LostConnection ? error.reason : error;
    }
  }

  /**
   * Ends every operation of an earlier generation, and refuses those that come later; resolves when none is left. An agent that knows no generations is not asked.
   *
   * @throws LeaseLostError - it was fenced with a later generation
   */
  async fence(generation: number, options: AbortOptions = {}): Promise<void> {
    const { protocol } = await this.hello(options);
    if (protocol < FENCED_SINCE) return;
    try {
      await this.#opener.ask({ op: 'fence', generation }, options);
    } catch (error) {
      if (error instanceof AgentFailure && error.code === 'STALE_GENERATION')
        throw new LeaseLostError(this.#components.handle, { cause: error });
      throw error instanceof LostConnection ? error.reason : error;
    }
  }

  /**
   * Starts a command; resolves as soon as it runs. `started: false`: the id was started before. After a lost connection the same call may be made again.
   *
   * @throws ExecutableNotFoundError, ExecutableFormatError, UserNotFoundError, WorkingDirectoryError, NotPermittedError, DiskFullError, InvalidSpecError
   */
  async start(spec: StartSpec, options: AbortOptions = {}): Promise<{ readonly started: boolean }> {
    const { processId, args, tty, stdin = false, ...rest } = spec;
    const size = tty === undefined ? undefined : { columns: tty.columns, rows: tty.rows };
    try {
      const fields = await this.#opener.ask(
        { op: 'start', process: processId, args, tty: size, stdin, ...rest },
        options,
      );
      return { started: fields.boolean('started') };
    } catch (error) {
      const command = {
        executable: display(args[0]),
        user: spec.user,
        dir: spec.dir === undefined ? undefined : display(spec.dir),
      };
      throw error instanceof AgentFailure
        ? processStartError(error, this.#process(processId), command)
        : processFailure(error, this.#process(processId));
    }
  }

  /**
   * A place among the attachments of all pods, for `attach`: of one process, over as many connections as it takes. Resolves with the function that gives it back, which may
   * be called more than once.
   */
  async attachmentPlace(options: AbortOptions = {}): Promise<() => void> {
    return await this.#opener.enter('attachment', options);
  }

  /**
   * Attaches to a process. The signal covers the attaching only. Without a place of the caller's it waits for one, and has it until it ends.
   *
   * @throws ProcessNotFoundError, OutcomeUnknownError - the container was restarted since the start
   */
  async attach(spec: AttachSpec, sinks: AttachSinks, options: AttachmentOptions = {}): Promise<Attachment> {
    const { processId, from = { stdout: 0, stderr: 0 }, stdin = false, output = true, attempt = 1 } = spec;
    const process = this.#process(processId);
    const windowBytes = this.#outputWindowBytes;
    const open = {
      op: 'attach',
      attempt,
      process: processId,
      from: { stdout: offset(from.stdout), stderr: offset(from.stderr) },
      stdin,
      output,
      window: windowBytes,
    };
    const leave = options.hasPlace === true ? () => undefined : await this.attachmentPlace(options);
    try {
      const make = ({ protocol }: AgentHello): AttachOperation =>
        new AttachOperation({ ...this.#transfers, process, sinks, protocol, output, windowBytes });
      const attachment = await this.#opener.begin(open, make, options);
      void attachment.answer.then(leave, leave);
      return attachment;
    } catch (error) {
      leave();
      throw processFailure(error, process);
    }
  }

  /**
   * Stops a process: TERM to its group, KILL after `graceMs`. Resolves when it has ended; of one that has ended already, with its stored result. Of the places that all
   * pods share it has one only until the agent has taken the stop.
   */
  async stop(processId: string, graceMs: number, options: AbortOptions = {}): Promise<AgentProcessResult> {
    return readProcessResult(await this.#askProcess(processId, { op: 'stop', graceMs }, options, 'opened'));
  }

  /** Sends a signal, by number, to a process's group. */
  async signal(processId: string, signal: number, options: AbortOptions = {}): Promise<void> {
    await this.#askProcess(processId, { op: 'signal', signal }, options);
  }

  async resize(processId: string, { columns, rows }: WindowSize, options: AbortOptions = {}): Promise<void> {
    await this.#askProcess(processId, { op: 'resize', columns, rows }, options);
  }

  async status(options: AbortOptions = {}): Promise<AgentStatus> {
    return readStatus(await this.#askVolume({}, { op: 'status' }, options));
  }

  /** Idempotent. */
  async remove(spec: RemoveSpec, options: AbortOptions = {}): Promise<void> {
    if ('processId' in spec) await this.#askProcess(spec.processId, { op: 'remove' }, options);
    else await this.#askVolume({ handle: spec.volume }, { op: 'remove', volume: spec.volume }, options, 'sent');
  }

  /** Copies between volumes of the pod; all or nothing. */
  async copy(
    spec: CopySpec,
    options: AbortOptions = {},
  ): Promise<{ readonly entries: number; readonly expandedBytes: number }> {
    const facts: TransferFacts = { handle: spec.to, path: spec.path === undefined ? undefined : display(spec.path) };
    const copy = (): Promise<Fields> => this.#askVolume(facts, { op: 'copy', ...spec }, options, 'sent');
    const fields = await this.#repeatedly(copy, options.signal);
    return { entries: fields.count('entries'), expandedBytes: fields.count('expandedBytes') };
  }

  /**
   * Unpacks a raw tar archive into a volume: all or nothing. Resolves when both ends agree on its bytes and it is committed. Whatever stops it, the source is
   * ended (destroyed, where it is a stream), and the volume is as it was. What the source fails with comes back as it is. A source that is given as a function can be
   * opened again: it is, some times, where the agent has lost what it had of it, and where the source fails because a file changed while it was read.
   *
   * @throws CorruptArchiveError, TruncatedArchiveError, UnsafeArchivePathError, UnsupportedEntryError, PathConflictError, ArtifactTooLargeError, DiskFullError,
   * NotPermittedError, DigestMismatchError, TransferStalledError, OperationLostError
   * @throws OutcomeUnknownError - everything was sent, and nobody could be asked any more whether it was committed
   */
  async receive(
    spec: ReceiveSpec,
    source: StreamSource,
    { signal, isProven }: UploadOptions = {},
  ): Promise<UploadResult> {
    const upload = async (opened: ReadOnceSource): Promise<UploadResult> =>
      await this.#upload(spec, new ByteFeed(opened, isProven), { signal });
    if (typeof source !== 'function') return await upload(source);
    return await this.#repeatedly(async () => await upload(await source()), signal);
  }

  /**
   * The same with what is at a path of a volume in another pod. Its frames pass as they travel, neither expanded nor hashed here: that both agents have the same
   * digest proves them.
   *
   * @throws as `receive` and `send`
   */
  async receiveFrom(
    spec: ReceiveSpec,
    from: { readonly client: AgentClient; readonly spec: SendSpec },
    { signal }: AbortOptions = {},
  ): Promise<UploadResult> {
    return await this.#repeatedly(async () => {
      const download = await from.client.#download(from.spec, (...parts) => new FrameDownload(...parts), signal);
      return await this.#upload(spec, new RelayFeed(download), { signal });
    }, signal);
  }

  /**
   * Packs what is at a path of a volume. Resolves when the agent has begun; the signal covers the whole of it.
   *
   * @throws VolumeNotFoundError, FileNotFoundError, UnsafeArchivePathError, NotPermittedError, OperationLostError; the readable also fails with FileChangedError,
   * DigestMismatchError, TransferStalledError
   */
  async send(
    spec: SendSpec,
    { signal, explain }: AbortOptions & { readonly explain?: ExplainLoss | undefined } = {},
  ): Promise<AgentDownload> {
    const { kind, readable, completed } = await this.#download(
      spec,
      (...parts) => new Download(...parts, explain),
      signal,
    );
    if (readable.errored !== null) throw readable.errored;
    if (signal !== undefined) {
      const listener = addAbortListener(signal, () => readable.destroy(abortReason(signal)));
      readable.once('close', () => {
        listener[Symbol.dispose]();
      });
    }
    return { kind, readable, completed };
  }

  /** Since when nothing has used a connection, in milliseconds since the epoch; `undefined`: something does, or one is kept. */
  get idleSince(): number | undefined {
    return this.#opener.idleSince;
  }

  /** Closes all connections; what is under way, and every later call, rejects with the reason. Nothing in the pod is stopped. Idempotent. */
  close(reason: Error = new ClosedError(`the connection to pod ${this.#components.podName}`)): void {
    this.#opener.close(reason);
  }

  /** Whatever it fails with, the feed is stopped. */
  async #upload(spec: ReceiveSpec, feed: UploadFeed, { signal }: AbortOptions): Promise<UploadResult> {
    const { volume, path = '', setId, generation, ...rest } = spec;
    const facts: TransferFacts = {
      handle: volume,
      podName: this.#components.podName,
      direction: 'in',
      path: display(path),
    };
    let upload: Upload | undefined;
    try {
      upload = await this.#enter(
        'upload',
        signal,
        () =>
          new Upload(
            { ...this.#resumable({ op: 'receive', volume, path, set: setId, ...rest }), generation },
            facts,
            feed,
          ),
      );
      await upload.open(signal);
      const begun = upload;
      using _listener = signal === undefined ? undefined : addAbortListener(signal, () => begun.fail(signal.reason));
      return await upload.run();
    } catch (error) {
      const told = transferFailure(error, upload?.facts() ?? facts, { mayBeDone: upload?.mayBeCommitted === true });
      feed.stop(told);
      throw told;
    }
  }

  /** A transfer that has its place until it is over, or lends it. */
  async #enter<T extends ResumableOperation>(
    use: 'upload' | 'download',
    signal: AbortSignal | undefined,
    make: (place: LentPlace) => T,
  ): Promise<T> {
    const enter = (options: AbortOptions): Promise<() => void> => this.#opener.enter(use, options);
    const place = new LentPlace(enter, await enter({ signal }));
    const { clock, transferEnded } = this.#components;
    const startedAt = clock.now();
    const operation = make(place);
    const ended = (outcome: string): void => {
      place.close();
      const { attempts, reconnects } = operation;
      const direction = use === 'upload' ? 'in' : 'out';
      transferEnded?.({
        direction,
        outcome,
        bytes: operation.facts().bytes ?? 0,
        durationMs: clock.now() - startedAt,
        attempts,
        reconnects,
      });
    };
    void operation.answer.then(
      () => ended('OK'),
      (error: unknown) => ended(transferOutcome(error)),
    );
    return operation;
  }

  /** Does a transfer anew, some times, where that may help. */
  async #repeatedly<T>(work: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    const { clock } = this.#transfers;
    const logger = this.#components.logger;
    const begunAnew = (reason: unknown): void => {
      logger.info('a transfer begins anew', { podName: this.#components.podName, reason });
    };
    return await repeatedly(work, { clock, begunAnew, signal });
  }

  async #download<D extends DownloadOperation>(
    { volume, path = '', ...rest }: SendSpec,
    make: (components: ResumableComponents, facts: TransferFacts, place: LentPlace) => D,
    signal: AbortSignal | undefined,
  ): Promise<D> {
    const facts: TransferFacts = {
      handle: volume,
      podName: this.#components.podName,
      direction: 'out',
      path: display(path),
    };
    try {
      const wanted = { op: 'send', volume, path, window: this.#transfers.windowBytes, ...rest };
      const download = await this.#enter('download', signal, (place) => make(this.#resumable(wanted), facts, place));
      await download.open(signal);
      return download;
    } catch (error) {
      throw transferFailure(error, facts);
    }
  }

  #resumable(wanted: ControlObject): ResumableComponents {
    const { logger, podName } = this.#components;
    const id = randomUUID();
    const reconnecting = (reason: Error): void => {
      logger.info('a transfer goes on over another connection', { podName, operation: id, reason });
    };
    return { opener: this.#opener, settings: this.#transfers, id, wanted, reconnecting };
  }

  async #askProcess(
    processId: string,
    open: ControlObject,
    options: AbortOptions,
    until?: PlaceUntil,
  ): Promise<Fields> {
    try {
      return await this.#opener.ask({ process: processId, ...open }, options, until);
    } catch (error) {
      throw processFailure(error, this.#process(processId));
    }
  }

  async #askVolume(
    facts: TransferFacts,
    open: ControlObject,
    options: AbortOptions,
    until?: PlaceUntil,
  ): Promise<Fields> {
    try {
      return await this.#opener.ask(open, options, until);
    } catch (error) {
      throw transferFailure(error, { podName: this.#components.podName, ...facts });
    }
  }

  #process(processId: string): ProcessFacts {
    return { handle: this.#components.handle, processId };
  }
}

function offset(from: number | 'now'): number {
  return from === 'now' ? -1 : from;
}

/** A text for people. */
function display(text: AgentText): string {
  return typeof text === 'string' ? text : Buffer.from(text).toString();
}
