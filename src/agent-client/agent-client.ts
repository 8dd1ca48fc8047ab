import type { Readable } from 'node:stream';

import { ClosedError } from '../errors/caller.ts';
import type { ProcessFacts } from '../errors/process.ts';
import { LeaseLostError } from '../errors/repository.ts';
import type { TransferFacts } from '../errors/transfer.ts';
import { openSource } from '../internal/open-source.ts';
import { type Backoff, callBackoff } from '../retry/backoff.ts';
import type { AbortOptions, Clock, Logger } from '../runtime/options.ts';
import type { WindowSize } from '../runtime/process.ts';
import type { TransferObserver } from '../runtime/transfer-report.ts';
import type { ReadOnceSource, StreamSource } from '../runtime/volume.ts';
import type { ArchiveFrames, FrameSource } from '../stores/frame-store.ts';
import { type AgentStatus, readStatus } from './agent-status.ts';
import { AgentArchives } from './archive/agent-archives.ts';
import type { AttachSpec, RemoveSpec, StartOutcome, StartSpec } from './process/agent-specs.ts';
import { AttachOperation } from './process/attach-operation.ts';
import type { Attachment, AttachSinks } from './process/attachment.ts';
import { type AgentProcessResult, readProcessResult, readSpecDigest } from './process/process-result.ts';
import { type AgentHello, FENCED_SINCE } from './session/agent-hello.ts';
import type { ByteConnection } from './session/byte-connection.ts';
import { ConnectionLimits } from './session/connection-limits.ts';
import { OperationOpener, type PlaceUntil } from './session/operation-opener.ts';
import { SessionPool } from './session/session-pool.ts';
import { Download, type ExplainLoss } from './transfer/download.ts';
import type { DownloadKind } from './transfer/download-operation.ts';
import { FrameDownload } from './transfer/frame-download.ts';
import type { TransferResult, TransferSettings } from './transfer/transfer-progress.ts';
import { TransferRunner, type UploadRunOptions } from './transfer/transfer-runner.ts';
import type { CopySpec, ReceiveSpec, SendSpec } from './transfer/transfer-specs.ts';
import type { UploadResult } from './transfer/upload.ts';
import { ByteFeed, RelayFeed } from './transfer/upload-feed.ts';
import {
  AgentFailure,
  LostConnection,
  processFailure,
  processStartError,
  transferFailure,
} from './wire/agent-error.ts';
import { type ControlObject, displayText, type Fields } from './wire/control.ts';

/** A parked transfer costs the agent little; a host that reconnects after the lease loses it. */
const LEAST_LEASE_MS = 900_000;

/** Times in milliseconds, sizes in bytes. */
export interface AgentClientOptions {
  /** The library's version, for the agent's log. @defaultValue `'0'` */
  readonly libraryVersion?: string | undefined;
  /** The maximum number of idle connections that the client keeps. @defaultValue 2 */
  readonly maxIdle?: number | undefined;
  /** How long it keeps an idle connection. @defaultValue 30_000 */
  readonly idleMs?: number | undefined;
  /** How long the agent may take to send HELLO. @defaultValue 30_000 */
  readonly helloTimeoutMs?: number | undefined;
  /** How long a connection may be silent before the client sends a PING. @defaultValue 10_000 */
  readonly pingAfterMs?: number | undefined;
  /** How long the agent may be silent before the connection counts as dead. @defaultValue 60_000 */
  readonly deadAfterMs?: number | undefined;
  /** How long a transfer may make no progress before it fails. @defaultValue 120_000 */
  readonly stallMs?: number | undefined;
  /** How long the agent may take to answer a cancellation. @defaultValue 5_000 */
  readonly cancelTimeoutMs?: number | undefined;
  /** How long a transfer tries to reconnect without progress. @defaultValue 300_000 */
  readonly retryBudgetMs?: number | undefined;
  /** The wait between two tries. @defaultValue 100 to 5,000 */
  readonly retryBackoff?: Backoff | undefined;
  /** The maximum number of bytes of a download that the client holds. @defaultValue 6 MiB */
  readonly downloadWindowBytes?: number | undefined;
  /** The maximum number of bytes of an output stream that the client holds. @defaultValue 1 MiB */
  readonly outputWindowBytes?: number | undefined;
}

export interface AgentClientComponents {
  /** Opens a connection to the agent. Rejects with typed errors. */
  readonly connect: (options: AbortOptions) => Promise<ByteConnection>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** For errors. */
  readonly podName: string;
  /** The handle of the pod's container or volume, for errors. */
  readonly handle: string;
  /** Shared by all clients of a worker. @defaultValue its own */
  readonly limits?: ConnectionLimits | undefined;
  /** Called when a transfer ends. @defaultValue none */
  readonly transferEnded?: TransferObserver | undefined;
  readonly options?: AgentClientOptions | undefined;
}

export interface UploadOptions extends UploadRunOptions {
  /**
   * Called at the end of the source. Returns whether the source's encoding has proven that no bytes
   * are missing.
   *
   * @defaultValue returns `false`
   */
  readonly isProven?: (() => boolean) | undefined;
}

export interface AttachmentOptions extends AbortOptions {
  /** Whether the caller holds a place from `attachmentPlace`. @defaultValue false */
  readonly hasPlace?: boolean | undefined;
}

/** A download that the agent has opened. */
export interface AgentDownload {
  /** The kind of file at the path. */
  readonly kind: DownloadKind;
  /**
   * The raw tar archive. It ends only when count and digest agree at both ends; otherwise it is
   * destroyed with the typed error, which does not throw if no `error` listener exists. Destroying
   * the readable ends the agent's operation.
   */
  readonly readable: Readable;
  /**
   * Resolves at the end of the readable. Rejects with the error that destroys the readable.
   * Handling the rejection is optional.
   */
  readonly completed: Promise<TransferResult>;
}

/**
 * Calls the agent of one pod. Each call is an operation on an idle or a new connection. Calls
 * reject with the library's errors, or with the reason of an aborted signal. A transfer resumes
 * over another connection when it loses one. Other operations are retried only if an idle
 * connection turns out to be dead.
 */
export class AgentClient {
  /** The archive files of a store pod. */
  readonly archives: AgentArchives;
  readonly #components: AgentClientComponents;
  readonly #opener: OperationOpener;
  readonly #settings: TransferSettings;
  readonly #transfers: TransferRunner;
  readonly #outputWindowBytes: number;

  constructor(components: AgentClientComponents) {
    const { connect, clock, logger, podName, options = {} } = components;
    const { deadAfterMs = 60_000, retryBudgetMs = 300_000 } = options;
    this.#components = components;
    this.#settings = {
      clock,
      retries: { clock, backoff: options.retryBackoff ?? callBackoff, budgetMs: retryBudgetMs },
      // Each end may take `deadAfterMs` to detect a dead connection.
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
      ...this.#settings,
      limits: components.limits ?? new ConnectionLimits(),
    });
    this.#transfers = new TransferRunner({
      opener: this.#opener,
      settings: this.#settings,
      logger,
      podName,
      transferEnded: components.transferEnded,
    });
    this.archives = new AgentArchives({ opener: this.#opener, transfers: this.#transfers, podName });
  }

  /**
   * Returns the agent's HELLO after the agent has answered on a connection, which proves that it is
   * reachable.
   *
   * @throws AgentUnavailableError, AgentIncompatibleError, and the errors of `connect`
   */
  async hello(options: AbortOptions = {}): Promise<AgentHello> {
    try {
      return await this.#opener.hello(options);
    } catch (error) {
      throw error instanceof LostConnection ? error.reason : error;
    }
  }

  /**
   * Ends every operation of an earlier generation, and makes the agent refuse new ones. Resolves
   * when none is left. Does nothing if the agent's protocol has no generations.
   *
   * @throws LeaseLostError - the agent was fenced with a later generation
   */
  async fence(generation: number, options: AbortOptions = {}): Promise<void> {
    const { protocol } = await this.hello(options);
    if (protocol < FENCED_SINCE) return;
    try {
      await this.#opener.run({ op: 'fence', generation }, options);
    } catch (error) {
      if (error instanceof AgentFailure && error.code === 'STALE_GENERATION')
        throw new LeaseLostError(this.#components.handle, { cause: error });
      throw error instanceof LostConnection ? error.reason : error;
    }
  }

  /**
   * Starts a command. Resolves when the command runs. If the process id was started before, resolves
   * with `started: false`, and with the digest of that start's specification if it had one. The
   * caller may repeat the call after a lost connection.
   *
   * @throws ExecutableNotFoundError, ExecutableFormatError, UserNotFoundError,
   * WorkingDirectoryError, NotPermittedError, DiskFullError, InvalidSpecError
   */
  async start(spec: StartSpec, options: AbortOptions = {}): Promise<StartOutcome> {
    const { processId, args, tty, stdin = false, ...rest } = spec;
    const size = tty === undefined ? undefined : { columns: tty.columns, rows: tty.rows };
    try {
      const fields = await this.#opener.run(
        { op: 'start', process: processId, args, tty: size, stdin, ...rest },
        options,
      );
      return { started: fields.boolean('started'), ...readSpecDigest(fields) };
    } catch (error) {
      const command = {
        executable: displayText(args[0]),
        user: spec.user,
        dir: spec.dir === undefined ? undefined : displayText(spec.dir),
      };
      throw error instanceof AgentFailure
        ? processStartError(error, this.#process(processId), command)
        : processFailure(error, this.#process(processId));
    }
  }

  /**
   * Acquires one of the places for attachments that all pods share. The place covers the
   * attachments of one process, over any number of connections. Resolves with an idempotent
   * function that releases it.
   */
  async attachmentPlace(options: AbortOptions = {}): Promise<() => void> {
    return await this.#opener.enter('attachment', options);
  }

  /**
   * Attaches to a process. The signal covers only the opening of the attachment. Unless the caller
   * holds a place, the attachment waits for one and holds it until it ends.
   *
   * @throws ProcessNotFoundError, OutcomeUnknownError - the container was restarted after the start
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
      const create = ({ protocol }: AgentHello): AttachOperation =>
        new AttachOperation({ ...this.#settings, process, sinks, protocol, output, windowBytes });
      const attachment = await this.#opener.begin(open, create, options);
      void attachment.answer.then(leave, leave);
      return attachment;
    } catch (error) {
      leave();
      throw processFailure(error, process);
    }
  }

  /**
   * Stops a process: TERM to its group, KILL after `graceMs`. Resolves with the result when the
   * process has ended. If it had already ended, resolves with the stored result. The call releases
   * its place among those that all pods share as soon as the agent has accepted the stop.
   */
  async stop(processId: string, graceMs: number, options: AbortOptions = {}): Promise<AgentProcessResult> {
    return readProcessResult(await this.#runProcessOperation(processId, { op: 'stop', graceMs }, options, 'opened'));
  }

  /** Sends a signal, by number, to a process's group. */
  async signal(processId: string, signal: number, options: AbortOptions = {}): Promise<void> {
    await this.#runProcessOperation(processId, { op: 'signal', signal }, options);
  }

  async resize(processId: string, { columns, rows }: WindowSize, options: AbortOptions = {}): Promise<void> {
    await this.#runProcessOperation(processId, { op: 'resize', columns, rows }, options);
  }

  async status(options: AbortOptions = {}): Promise<AgentStatus> {
    return readStatus(await this.#runVolumeOperation({}, { op: 'status' }, options));
  }

  /** Idempotent. */
  async remove(spec: RemoveSpec, options: AbortOptions = {}): Promise<void> {
    if ('processId' in spec) await this.#runProcessOperation(spec.processId, { op: 'remove' }, options);
    else
      await this.#runVolumeOperation({ handle: spec.volume }, { op: 'remove', volume: spec.volume }, options, 'sent');
  }

  /** Copies between volumes of the pod, atomically. */
  async copy(
    spec: CopySpec,
    options: AbortOptions = {},
  ): Promise<{ readonly entries: number; readonly expandedBytes: number }> {
    const facts: TransferFacts = {
      handle: spec.to,
      path: spec.path === undefined ? undefined : displayText(spec.path),
    };
    const copy = (): Promise<Fields> => this.#runVolumeOperation(facts, { op: 'copy', ...spec }, options, 'sent');
    const fields = await this.#transfers.repeat(copy, options.signal);
    return { entries: fields.count('entries'), expandedBytes: fields.count('expandedBytes') };
  }

  /**
   * Unpacks a raw tar archive into a volume, atomically. Resolves when both ends agree on the bytes
   * and the agent has committed them. On failure the volume is unchanged, and the source is ended
   * (a stream is destroyed). Rejects with the source's own error where the source fails. A source
   * that is a function can be opened again: the upload restarts, a bounded number of times, where
   * the agent has lost the operation and where the source fails because a file changed during the
   * read.
   *
   * @throws CorruptArchiveError, TruncatedArchiveError, UnsafeArchivePathError,
   * UnsupportedEntryError, PathConflictError, ArtifactTooLargeError, DiskFullError,
   * NotPermittedError, DigestMismatchError, TransferStalledError, OperationLostError
   * @throws OutcomeUnknownError - every byte was sent, and the agent could not be reached to
   * confirm the commit
   */
  async receive(
    spec: ReceiveSpec,
    source: StreamSource,
    { signal, isProven, received }: UploadOptions = {},
  ): Promise<UploadResult> {
    const upload = async (opened: ReadOnceSource): Promise<UploadResult> =>
      await this.#transfers.upload(spec, new ByteFeed(opened, isProven), { signal, received });
    if (typeof source !== 'function') return await upload(source);
    return await this.#transfers.repeat(async () => await upload(await openSource(source, signal)), signal);
  }

  /**
   * Unpacks a path of a volume in another pod into a volume, atomically. Frames pass through
   * unchanged; the host neither expands nor hashes them. The equal digests of both agents prove the
   * bytes.
   *
   * @throws as `receive` and `send`
   */
  async receiveFrom(
    spec: ReceiveSpec,
    from: { readonly client: AgentClient; readonly spec: SendSpec },
    { signal, received }: UploadRunOptions = {},
  ): Promise<UploadResult> {
    const source: FrameSource = (options) => from.client.sendFrames(from.spec, options);
    return await this.receiveFrames(spec, source, { signal, received });
  }

  /**
   * Unpacks an archive of frames into a volume, atomically. Opens the source again where the
   * transfer restarts. The equal digests of both ends prove the bytes. Rejects with the source's own
   * error where the source fails.
   *
   * @throws as `receive`
   */
  async receiveFrames(
    spec: ReceiveSpec,
    source: FrameSource,
    { signal, received }: UploadRunOptions = {},
  ): Promise<UploadResult> {
    return await this.#transfers.repeat(async () => {
      const feed = new RelayFeed(await source({ signal }));
      return await this.#transfers.upload(spec, feed, { signal, received });
    }, signal);
  }

  /**
   * Packs a path of a volume as frames, as the agent encodes them. Resolves when the agent has
   * opened the operation. The signal covers all frames.
   *
   * @throws as `send`
   */
  async sendFrames(spec: SendSpec, { signal }: AbortOptions = {}): Promise<ArchiveFrames> {
    const download = await this.#transfers.download(spec, (...parts) => new FrameDownload(...parts), signal);
    download.endWith(signal);
    return download.frames;
  }

  /**
   * Packs a path of a volume. Resolves when the agent has opened the operation. The signal covers
   * the whole download.
   *
   * @throws VolumeNotFoundError, FileNotFoundError, UnsafeArchivePathError, NotPermittedError,
   * OperationLostError; the readable also fails with FileChangedError, DigestMismatchError,
   * TransferStalledError
   */
  async send(
    spec: SendSpec,
    { signal, explain }: AbortOptions & { readonly explain?: ExplainLoss | undefined } = {},
  ): Promise<AgentDownload> {
    const download = await this.#transfers.download(spec, (...parts) => new Download(...parts, explain), signal);
    download.endWith(signal);
    const { kind, readable, completed } = download;
    return { kind, readable, completed };
  }

  /**
   * Returns size and digest of the archive that `send` would send. Moves no bytes, except from an
   * agent of an older library. Restarts after lost connections, and if a file changes during the
   * read.
   *
   * @throws as `send`
   */
  async digest(spec: SendSpec, options: AbortOptions = {}): Promise<TransferResult> {
    return await this.#transfers.digest(spec, options);
  }

  /**
   * When the last connection was closed or requested, in milliseconds since the epoch. `undefined`
   * while a connection is open or requested.
   */
  get idleSince(): number | undefined {
    return this.#opener.idleSince;
  }

  /**
   * Closes all connections. Calls in progress, and all later calls, reject with the reason. Nothing
   * in the pod is stopped. Idempotent.
   */
  close(reason: Error = new ClosedError(`the connection to pod ${this.#components.podName}`)): void {
    this.#opener.close(reason);
  }

  async #runProcessOperation(
    processId: string,
    open: ControlObject,
    options: AbortOptions,
    until?: PlaceUntil,
  ): Promise<Fields> {
    try {
      return await this.#opener.run({ process: processId, ...open }, options, until);
    } catch (error) {
      throw processFailure(error, this.#process(processId));
    }
  }

  async #runVolumeOperation(
    facts: TransferFacts,
    open: ControlObject,
    options: AbortOptions,
    until?: PlaceUntil,
  ): Promise<Fields> {
    try {
      return await this.#opener.run(open, options, until);
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
