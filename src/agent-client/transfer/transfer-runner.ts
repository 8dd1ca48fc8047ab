import { randomUUID } from 'node:crypto';
import { addAbortListener } from 'node:events';

import type { TransferFacts } from '../../errors/transfer.ts';
import type { AbortOptions, Logger } from '../../runtime/options.ts';
import type { TransferObserver } from '../../runtime/transfer-report.ts';
import { LentPlace } from '../session/lent-place.ts';
import type { OperationOpener } from '../session/operation-opener.ts';
import { transferFailure, transferOutcome } from '../wire/agent-error.ts';
import { type ControlObject, displayText } from '../wire/control.ts';
import type { DownloadOperation } from './download-operation.ts';
import { repeatedly } from './repeatedly.ts';
import type { ResumableComponents, ResumableOperation } from './resumable-operation.ts';
import type { TransferSettings } from './transfer-progress.ts';
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

/** Runs uploads to the agent of one pod, and opens downloads from it. */
export class TransferRunner {
  readonly #components: TransferRunnerComponents;

  constructor(components: TransferRunnerComponents) {
    this.#components = components;
  }

  /**
   * Uploads the frames of a feed. Resolves when the agent has committed them. Stops the feed before
   * it rejects.
   */
  async upload(spec: ReceiveSpec, feed: UploadFeed, { signal, received }: UploadRunOptions): Promise<UploadResult> {
    const { volume, path = '', setId, generation, ...rest } = spec;
    const facts: TransferFacts = {
      handle: volume,
      podName: this.#components.podName,
      direction: 'in',
      path: displayText(path),
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
            received,
          ),
      );
      await upload.open(signal);
      const opened = upload;
      using _listener = signal === undefined ? undefined : addAbortListener(signal, () => opened.fail(signal.reason));
      return await upload.run();
    } catch (error) {
      const failure = transferFailure(error, upload?.facts() ?? facts, { mayBeDone: upload?.mayBeCommitted === true });
      feed.stop(failure);
      throw failure;
    }
  }

  /** Resolves with a download that the agent has opened. */
  async download<D extends DownloadOperation>(
    { volume, path = '', ...rest }: SendSpec,
    create: (components: ResumableComponents, facts: TransferFacts, place: LentPlace) => D,
    signal: AbortSignal | undefined,
  ): Promise<D> {
    const { podName, settings } = this.#components;
    const facts: TransferFacts = { handle: volume, podName, direction: 'out', path: displayText(path) };
    try {
      const request = { op: 'send', volume, path, window: settings.windowBytes, ...rest };
      const download = await this.#enter('download', signal, (place) => create(this.#resumable(request), facts, place));
      await download.open(signal);
      return download;
    } catch (error) {
      throw transferFailure(error, facts);
    }
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

  #resumable(request: ControlObject): ResumableComponents {
    const { opener, settings, logger, podName } = this.#components;
    const id = randomUUID();
    const reconnecting = (reason: Error): void => {
      logger.info('resuming a transfer over another connection', { podName, operation: id, reason });
    };
    return { opener, settings, id, request, reconnecting };
  }
}
