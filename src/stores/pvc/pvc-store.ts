import type { Readable } from 'node:stream';

import { ClosedError } from '../../errors/caller.ts';
import { StoreUnavailableError } from '../../errors/store.ts';
import { DigestMismatchError } from '../../errors/transfer.ts';
import { abortableChunks } from '../../internal/abortable-chunks.ts';
import { callBackoff } from '../../retry/backoff.ts';
import { RetryPace } from '../../retry/retry-pace.ts';
import type { AbortOptions, Clock } from '../../runtime/options.ts';
import type { ArchiveStore, ListedArchive, ReadArchiveOptions, StoreUsage, WrittenArchive } from '../archive-store.ts';
import { NotedSource } from './noted-source.ts';
import { resumedRead } from './resumed-read.ts';
import { type StoreRight, storeError } from './store-errors.ts';
import { hasEnded, type StorePod } from './store-pod.ts';

/** The operations on archives of the agent in a store pod. */
export interface ClaimArchives {
  write(
    key: string,
    bytes: AsyncIterable<Uint8Array>,
    options?: AbortOptions,
  ): Promise<{ readonly bytes: number; readonly sha256: string }>;
  read(key: string, options?: ReadArchiveOptions): Promise<Readable>;
  delete(key: string, options?: AbortOptions): Promise<boolean>;
  list(
    prefix: string,
    options?: AbortOptions,
  ): AsyncIterable<{ readonly key: string; readonly bytes: number; readonly modifiedAt: Date }>;
  usage(options?: AbortOptions): Promise<StoreUsage>;
}

export interface PvcStoreComponents {
  readonly name: string;
  readonly pod: Pick<StorePod<ClaimArchives>, 'archives' | 'guard' | 'close'>;
  /** Returns the key of an archive that a probe writes and deletes. */
  readonly probeKey: () => string;
  readonly clock: Clock;
  /** How long a read may go without progress while it continues. */
  readonly retryBudgetMs: number;
}

interface Use extends AbortOptions {
  readonly key?: string | undefined;
  readonly right: StoreRight;
  /** Whether the work can run again after its pod has ended. @defaultValue always */
  readonly mayRepeat?: (() => boolean) | undefined;
}

/** Keeps archives as files on a claim, through the agent of the claim's store pod. */
export class PvcStore implements ArchiveStore {
  readonly name: string;
  readonly #components: PvcStoreComponents;

  constructor(components: PvcStoreComponents) {
    this.name = components.name;
    this.#components = components;
  }

  async write(key: string, bytes: AsyncIterable<Uint8Array>, { signal }: AbortOptions = {}): Promise<WrittenArchive> {
    const source = new NotedSource(bytes);
    try {
      const mayRepeat = (): boolean => !source.isOpen;
      const written = await this.#use({ key, right: 'write', signal, mayRepeat }, async (archives, guarded) => {
        try {
          return await archives.write(key, source, { signal: guarded });
        } catch (error) {
          throw source.hasFailedWith(error) ? new SourceFailure(error) : error;
        }
      });
      return { storedBytes: written.bytes, storedDigest: written.sha256 };
    } catch (error) {
      source.end(error);
      throw error instanceof SourceFailure ? error.reason : error;
    }
  }

  async read(key: string, { offset = 0, signal }: ReadArchiveOptions = {}): Promise<Readable> {
    signal?.throwIfAborted();
    const { clock, retryBudgetMs: budgetMs } = this.#components;
    const pace = new RetryPace({ clock, backoff: callBackoff, budgetMs });
    const abort = new AbortController();
    const open = async (from: number, reading: AbortSignal): Promise<Readable> => await this.#open(key, from, reading);
    const recover = async (error: unknown, reading: AbortSignal): Promise<void> => {
      reading.throwIfAborted();
      const failure = storeError(error, { store: this.name, key }, 'read');
      const mayContinue = failure instanceof StoreUnavailableError && !(failure.cause instanceof DigestMismatchError);
      if (!mayContinue || !(await pace.wait(failure, { signal: reading }))) throw failure;
    };
    const opening = signal === undefined ? abort.signal : AbortSignal.any([abort.signal, signal]);
    const opened = await this.#open(key, offset, opening);
    return resumedRead({ opened, offset, open, recover, progress: () => pace.renew(), abort }, signal);
  }

  async delete(key: string, { signal }: AbortOptions = {}): Promise<boolean> {
    return await this.#use({ key, right: 'write', signal }, (archives, guarded) =>
      archives.delete(key, { signal: guarded }),
    );
  }

  async *list(prefix: string, { signal }: AbortOptions = {}): AsyncGenerator<ListedArchive, void, undefined> {
    signal?.throwIfAborted();
    const { pod } = this.#components;
    using guard = pod.guard({ signal });
    try {
      const archives = await pod.archives({ signal });
      const listed = abortableChunks(archives.list(prefix, { signal: guard.signal }), guard.signal);
      for await (const { key, bytes, modifiedAt } of listed) yield { key, storedBytes: bytes, modifiedAt };
    } catch (error) {
      signal?.throwIfAborted();
      throw storeError(error, { store: this.name }, 'read');
    }
  }

  async usage({ signal }: AbortOptions = {}): Promise<StoreUsage> {
    const { totalBytes, freeBytes } = await this.#use({ right: 'read', signal }, (archives, guarded) =>
      archives.usage({ signal: guarded }),
    );
    return { totalBytes, freeBytes };
  }

  /** Writes and deletes an archive, because a file system that became read-only can still be read. */
  async probe({ signal }: AbortOptions = {}): Promise<void> {
    await this.#use({ right: 'write', signal }, async (archives, guarded) => {
      const key = this.#components.probeKey();
      await archives.write(key, oneByte(), { signal: guarded });
      await archives.delete(key, { signal: guarded });
    });
  }

  async close(): Promise<void> {
    this.#components.pod.close(new ClosedError(`store ${JSON.stringify(this.name)}`));
    await Promise.resolve();
  }

  /** Runs one operation. Its signal also aborts when the store pod has ended. */
  async #use<T>(use: Use, work: (archives: ClaimArchives, signal: AbortSignal) => Promise<T>): Promise<T> {
    const { pod } = this.#components;
    return await this.#attempt(use, async (archives) => {
      using guard = pod.guard(use);
      return await work(archives, guard.signal);
    });
  }

  /** Opens an archive. The pod is guarded for as long as it is read. */
  async #open(key: string, offset: number, signal: AbortSignal): Promise<Readable> {
    const { pod } = this.#components;
    return await this.#attempt({ key, right: 'read', signal }, async (archives) => {
      const guard = pod.guard({ signal });
      try {
        const readable = await archives.read(key, { offset, signal: guard.signal });
        readable.once('close', () => {
          guard[Symbol.dispose]();
        });
        return readable;
      } catch (error) {
        guard[Symbol.dispose]();
        throw error;
      }
    });
  }

  /**
   * Runs work with the archives of the store pod. Runs it once more if it failed and the pod has
   * ended: an agent may still answer in a pod that is ending.
   */
  async #attempt<T>(
    { key, right, signal, mayRepeat = () => true }: Use,
    work: (archives: ClaimArchives) => Promise<T>,
  ): Promise<T> {
    for (let tries = 1; ; tries += 1) {
      signal?.throwIfAborted();
      try {
        return await work(await this.#components.pod.archives({ signal }));
      } catch (error) {
        signal?.throwIfAborted();
        if (tries === 1 && hasEnded(error) && mayRepeat()) continue;
        throw storeError(error, { store: this.name, key }, right);
      }
    }
  }
}

/** Carries a failure of the caller's source past the errors of the store. */
class SourceFailure extends Error {
  readonly reason: unknown;

  constructor(reason: unknown) {
    super('the source has failed');
    this.reason = reason;
  }
}

async function* oneByte(): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(Uint8Array.of(0));
}
