import { randomUUID } from 'node:crypto';
import { addAbortListener } from 'node:events';

import { type TransferFacts, TransferStalledError } from '../../errors/transfer.ts';
import { TookTooLong, within } from '../../internal/within.ts';
import { retry } from '../../retry/retry.ts';
import { RetryPace } from '../../retry/retry-pace.ts';
import type { AbortOptions, Logger } from '../../runtime/options.ts';
import type { TransferObserver } from '../../runtime/transfer-report.ts';
import { LentPlace } from '../session/lent-place.ts';
import type { OperationOpener } from '../session/operation-opener.ts';
import { transferFailure, transferOutcome } from '../wire/agent-error.ts';
import { type ControlObject, displayText } from '../wire/control.ts';
import { requestDigest, waitIfLost } from './digest-request.ts';
import type { DownloadOperation } from './download-operation.ts';
import { FrameDownload } from './frame-download.ts';
import { repeatedly } from './repeatedly.ts';
import type { ResumableComponents, ResumableOperation } from './resumable-operation.ts';
import type { TransferResult, TransferSettings } from './transfer-progress.ts';
import type { ReceiveSpec, SendSpec } from './transfer-specs.ts';
import { Upload, type UploadResult } from './upload.ts';
import type { UploadFeed } from './upload-feed.ts';

export interface UploadRunOptions extends AbortOptions {
  /** Called with the number of raw bytes that the agent has processed, whenever it grows. */
  readonly received?: ((rawBytes: number) => void) | undefined;
}

export interface TransferRunnerComponents {
  readonly opener: OperationOpener;
  readonly settings: TransferSettings;
  readonly logger: Logger;
  readonly podName: string;
  /** Called when a transfer ends. */
  readonly transferEnded: TransferObserver | undefined;
}

/** What a transfer moves, and where. */
export interface TransferRequest {
  /** The fields of OPEN. */
  readonly fields: ControlObject;
  readonly facts: TransferFacts;
  /** See `ReceiveSpec.generation`. */
  readonly generation?: number | undefined;
  /** The id of the operation. @defaultValue a random one */
  readonly id?: string | undefined;
  /** See `ResumableComponents.mayRestart`. */
  readonly mayRestart?: boolean | undefined;
  /**
   * Whether the agent has nothing to do before it opens the operation. Then the transfer has stalled
   * if it is not opened within `stallMs`: a file system hangs, and an agent that waits for the earlier
   * attempt of an operation sends PROGRESS.
   *
   * @defaultValue false: an agent may remove what an earlier attempt has left, however much that is
   */
  readonly opensAtOnce?: boolean | undefined;
}

/** Creates the host's side of a download. */
export type CreateDownload<D extends DownloadOperation> = (
  components: ResumableComponents,
  facts: TransferFacts,
  place: LentPlace,
) => D;

/** Runs uploads to the agent of one pod, and opens downloads from it. */
export class TransferRunner {
  readonly #components: TransferRunnerComponents;

  constructor(components: TransferRunnerComponents) {
    this.#components = components;
  }

  /**
   * Uploads the frames of a feed into a volume. Resolves when the agent has committed them. Stops
   * the feed before it rejects.
   */
  async upload(spec: ReceiveSpec, feed: UploadFeed, options: UploadRunOptions): Promise<UploadResult> {
    const { volume, path = '', setId, generation, ...rest } = spec;
    const { podName } = this.#components;
    const request: TransferRequest = {
      fields: { op: 'receive', volume, path, set: setId, ...rest },
      facts: { handle: volume, podName, direction: 'in', path: displayText(path) },
      generation,
    };
    return await this.uploadTo(request, feed, options);
  }

  /** Like `upload`, to the destination that the request describes. */
  async uploadTo(
    request: TransferRequest,
    feed: UploadFeed,
    { signal, received }: UploadRunOptions,
  ): Promise<UploadResult> {
    const { facts } = request;
    let upload: Upload | undefined;
    try {
      const create = (): Upload => new Upload(this.#resumable(request), facts, feed, received);
      upload = await this.#enter('upload', signal, create);
      await this.#open(upload, request, signal);
      const opened = upload;
      using _listener = signal === undefined ? undefined : addAbortListener(signal, () => opened.fail(signal.reason));
      return await upload.run();
    } catch (error) {
      const failure = transferFailure(error, upload?.facts() ?? facts, { mayBeDone: upload?.mayBeCommitted === true });
      feed.stop(failure);
      throw failure;
    }
  }

  /** Resolves with a download of a volume that the agent has opened. */
  async download<D extends DownloadOperation>(
    spec: SendSpec,
    create: CreateDownload<D>,
    signal: AbortSignal | undefined,
  ): Promise<D> {
    return await this.downloadFrom(this.#sendRequest(spec), create, signal);
  }

  /** Like `download`, of the source that the request describes. */
  async downloadFrom<D extends DownloadOperation>(
    { fields, ...more }: TransferRequest,
    create: CreateDownload<D>,
    signal: AbortSignal | undefined,
  ): Promise<D> {
    const { facts } = more;
    const request = { fields: { window: this.#components.settings.windowBytes, ...fields }, ...more };
    try {
      const download = await this.#enter('download', signal, (place) => create(this.#resumable(request), facts, place));
      await this.#open(download, request, signal);
      return download;
    } catch (error) {
      throw transferFailure(error, facts);
    }
  }

  /**
   * Resolves with the result that a download would have. An agent that cannot compute it alone sends
   * the bytes.
   */
  async digest(spec: SendSpec, options: AbortOptions): Promise<TransferResult> {
    const { opener, settings } = this.#components;
    const { fields, facts } = this.#sendRequest(spec);
    const digest = async (): Promise<TransferResult> => {
      try {
        const result = await retry(async () => await requestDigest(opener, fields, options), {
          pace: new RetryPace(settings.retries),
          signal: options.signal,
          decide: waitIfLost,
        });
        return result ?? (await this.#downloadForDigest(spec, options.signal));
      } catch (error) {
        throw transferFailure(error, facts);
      }
    };
    return await this.repeat(digest, options.signal);
  }

  /** Runs a transfer, and restarts it a bounded number of times where a restart may succeed. */
  async repeat<T>(work: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    const { logger, podName, settings } = this.#components;
    const restarting = (reason: unknown): void => {
      logger.info('restarting a transfer', { podName, reason });
    };
    return await repeatedly(work, { clock: settings.clock, restarting, signal });
  }

  /** Creates an operation that holds a place until it ends, except while it lends the place. */
  async #enter<T extends ResumableOperation>(
    use: 'upload' | 'download',
    signal: AbortSignal | undefined,
    create: (place: LentPlace) => T,
  ): Promise<T> {
    const { opener, settings, transferEnded } = this.#components;
    const enter = (options: AbortOptions): Promise<() => void> => opener.enter(use, options);
    const place = new LentPlace(enter, await enter({ signal }));
    const startedAt = settings.clock.now();
    const operation = create(place);
    const ended = (outcome: string): void => {
      place.close();
      const { attempts, reconnects } = operation;
      const direction = use === 'upload' ? 'in' : 'out';
      transferEnded?.({
        direction,
        outcome,
        bytes: operation.facts().bytes ?? 0,
        durationMs: settings.clock.now() - startedAt,
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

  async #open(
    operation: ResumableOperation,
    { opensAtOnce = false }: TransferRequest,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    if (!opensAtOnce) return await operation.open(signal);
    const { clock, stallMs } = this.#components.settings;
    try {
      await within(stallMs, clock, (opening) => operation.open(opening), signal);
    } catch (error) {
      throw error instanceof TookTooLong ? new TransferStalledError(operation.facts(), stallMs) : error;
    }
  }

  async #downloadForDigest(spec: SendSpec, signal: AbortSignal | undefined): Promise<TransferResult> {
    const download = await this.download(spec, (...parts) => new FrameDownload(...parts), signal);
    using _listener = signal === undefined ? undefined : addAbortListener(signal, () => download.stop());
    for (let frames = await download.next(); frames.length > 0; frames = await download.next())
      for (const frame of frames) {
        download.passed(frame);
        frame.memory?.release();
      }
    return download.requireResult();
  }

  #sendRequest({ volume, path = '', ...rest }: SendSpec): TransferRequest {
    const { podName } = this.#components;
    return {
      fields: { op: 'send', volume, path, ...rest },
      facts: { handle: volume, podName, direction: 'out', path: displayText(path) },
    };
  }

  #resumable({ fields, generation, mayRestart, id = randomUUID() }: TransferRequest): ResumableComponents {
    const { opener, settings, logger, podName } = this.#components;
    const reconnecting = (reason: Error): void => {
      logger.info('resuming a transfer over another connection', { podName, operation: id, reason });
    };
    return { opener, settings, id, request: fields, generation, mayRestart, reconnecting };
  }
}
