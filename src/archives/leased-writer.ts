import { LeaseLostError } from '../errors/repository.ts';
import { DiskFullError } from '../errors/transfer.ts';
import { keepLease } from '../internal/lease-keeper.ts';
import { within } from '../internal/within.ts';
import type {
  ArchivedVolume,
  ArchiveLease,
  ArchiveRecord,
  ArchiveRepository,
  BegunArchive,
} from '../repository/archive-repository.ts';
import type { ArchiveContent, ArchiveReference } from '../repository/records.ts';
import { callBackoff } from '../retry/backoff.ts';
import { retry, waitIfRetryable } from '../retry/retry.ts';
import { RetryPace } from '../retry/retry-pace.ts';
import type { AbortOptions, Clock, Logger } from '../runtime/options.ts';
import type { ArchiveStore } from '../stores/archive-store.ts';
import { archiveKey } from './archive-key.ts';

export interface LeasedWriterComponents {
  readonly workerName: string;
  readonly installationId: string;
  readonly archives: Pick<ArchiveRepository, 'begin' | 'nextAttempt' | 'renewLease' | 'commit' | 'abandon'>;
  /** Runs idempotent work on the database, and retries it after retryable errors. */
  readonly retry: <T>(work: () => Promise<T>, options: AbortOptions) => Promise<T>;
  readonly newId: () => string;
  /** How long the archive of a host that died stays leased. */
  readonly leaseMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What is written, and for which volume. */
export interface WriteRequest<T extends ArchiveContent> extends AbortOptions {
  readonly store: ArchiveStore;
  /** See `NewArchive.purpose`. */
  readonly purpose?: string | undefined;
  /** Writes one attempt. Called again, with another key, after a retryable error. */
  readonly write: (key: string, signal: AbortSignal) => Promise<T>;
  /** Returns the volume that the archive becomes the content of. */
  readonly volume: (written: T) => ArchivedVolume | undefined;
  /**
   * Called once if the store is full. Resolves with the number of bytes that were freed: if any, the
   * attempt is repeated.
   *
   * @defaultValue the attempt is not repeated
   */
  readonly full?: ((signal: AbortSignal) => Promise<number>) | undefined;
  /** How long attempts are repeated after the first failure, in milliseconds. */
  readonly budgetMs: number;
  /** Called with the error of an attempt that is repeated. */
  readonly retrying?: ((error: unknown) => void) | undefined;
}

/** The archive that was written, or that another holder has written for the same purpose. */
export interface WriteOutcome<T> {
  readonly archive: ArchiveReference;
  /** `undefined` if another holder has written the archive. */
  readonly written: T | undefined;
  /** Whether the volume has the archive. Of another holder's archive it is assumed. */
  readonly isContent: boolean;
}

/** How often a call that waits for another holder polls the row. */
const pollMs = 200;
/** How long a call that has failed may take to remove what it has left. */
const cleanUpMs = 5_000;

/**
 * Writes archives under a lease. Each attempt has its own key. What a failed call leaves is a row
 * that is `destroying`, or `creating` under a lease that expires; the reaper deletes both.
 */
export class LeasedWriter {
  readonly #components: LeasedWriterComponents;

  constructor(components: LeasedWriterComponents) {
    this.#components = components;
  }

  /**
   * Writes an archive and commits it. While another holder writes one for the same purpose, waits for
   * its result, and takes over when its lease lapses.
   */
  async write<T extends ArchiveContent>(request: WriteRequest<T>): Promise<WriteOutcome<T>> {
    const { clock, newId, leaseMs, logger } = this.#components;
    const { signal, purpose } = request;
    for (let isWaiting = false; ; ) {
      signal?.throwIfAborted();
      const lease = { holder: newId(), durationMs: leaseMs };
      const requestedAt = clock.now();
      const { archive, holds } = await this.#begin(request, lease);
      if (archive.state === 'ready' && archive.reference !== undefined)
        return { archive: archive.reference, written: undefined, isContent: true };
      if (holds) {
        try {
          return await this.#hold(archive, lease, requestedAt, request);
        } catch (error) {
          if (purpose === undefined || !(error instanceof LeaseLostError)) throw error;
          logger.info('archive continues with its next holder', { archive: archive.id });
        }
      }
      if (!isWaiting) logger.info('waiting for the host that writes the archive', { archive: archive.id });
      isWaiting = true;
      await clock.sleep(pollMs, { signal });
    }
  }

  /** Not aborted by the signal: the statement may still take effect, and its lease is then released. */
  async #begin<T extends ArchiveContent>(
    { store, purpose, signal }: WriteRequest<T>,
    lease: ArchiveLease,
  ): Promise<BegunArchive> {
    const { archives, retry: persist, newId, workerName } = this.#components;
    const archive = { id: newId(), workerName, store: store.name, lease, purpose };
    return await persist(() => archives.begin(archive), { signal });
  }

  /** Writes and commits while the lease is renewed. Abandons the archive after a failure. */
  async #hold<T extends ArchiveContent>(
    archive: ArchiveRecord,
    lease: ArchiveLease,
    requestedAt: number,
    request: WriteRequest<T>,
  ): Promise<WriteOutcome<T>> {
    const { archives, clock, leaseMs, logger } = this.#components;
    const { id } = archive;
    const terms = {
      lost: () => new LeaseLostError(id),
      renew: (renewing: AbortSignal) => archives.renewLease(id, lease, { signal: renewing }),
      everyMs: leaseMs / 3,
      durationMs: leaseMs,
      requestedAt,
      clock,
      signal: request.signal,
    };
    try {
      return await keepLease(terms, async (held) => await this.#complete(archive, lease, request, held));
    } catch (error) {
      await within(cleanUpMs, clock, (late) => archives.abandon(id, lease.holder, { signal: late })).catch(
        (cause: unknown) => logger.warn('archive not abandoned', { archive: id, error: cause }),
      );
      throw error;
    }
  }

  async #complete<T extends ArchiveContent>(
    archive: ArchiveRecord,
    lease: ArchiveLease,
    request: WriteRequest<T>,
    held: AbortSignal,
  ): Promise<WriteOutcome<T>> {
    const { archives, retry: persist } = this.#components;
    const { key, written } = await this.#attempts(archive, lease, request, held);
    const { rawBytes, digest, storedBytes, storedDigest } = written;
    const content = { key, rawBytes, digest, storedBytes, storedDigest };
    const volume = request.volume(written);
    const isContent = await persist(() => archives.commit(archive.id, lease.holder, content, volume), {
      signal: held,
    });
    return { archive: { id: archive.id, store: request.store.name, ...content }, written, isContent };
  }

  /** Repeats attempts within the budget, each with its own key. */
  async #attempts<T extends ArchiveContent>(
    begun: ArchiveRecord,
    lease: ArchiveLease,
    { store, write, budgetMs, retrying, full }: WriteRequest<T>,
    held: AbortSignal,
  ): Promise<{ readonly key: string; readonly written: T }> {
    const { archives, installationId, retry: persist, clock, logger } = this.#components;
    const { id } = begun;
    let next: ArchiveRecord | undefined = begun;
    const attempt = async (): Promise<{ readonly key: string; readonly written: T }> => {
      const archive = next ?? (await persist(() => archives.nextAttempt(id, lease), { signal: held }));
      next = undefined;
      const key = archiveKey(installationId, id, archive.attempt);
      try {
        return { key, written: await write(key, held) };
      } catch (error) {
        if (!held.aborted) await this.#discard(store, key);
        throw error;
      }
    };
    let isFreed = false;
    const attemptWithSpace = async (): ReturnType<typeof attempt> => {
      try {
        return await attempt();
      } catch (error) {
        if (!(error instanceof DiskFullError) || full === undefined || isFreed) throw error;
        isFreed = true;
        logger.warn('store full', { archive: id, store: store.name, error });
        if ((await full(held)) === 0) throw error;
        return await attempt();
      }
    };
    return await retry(attemptWithSpace, {
      pace: new RetryPace({ clock, backoff: callBackoff, budgetMs }),
      signal: held,
      decide: (failure) => {
        const decision = waitIfRetryable(failure);
        logger.warn('archive not written yet', { archive: id, store: store.name, error: failure });
        retrying?.(failure);
        return decision;
      },
    });
  }

  /** Deletes what a failed attempt has left. The sweep of keys deletes what remains. */
  async #discard(store: ArchiveStore, key: string): Promise<void> {
    const { clock, logger } = this.#components;
    await within(cleanUpMs, clock, (signal) => store.delete(key, { signal })).catch((error: unknown) =>
      logger.debug('failed attempt not deleted', { key, error }),
    );
  }
}
