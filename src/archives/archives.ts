import { finished } from 'node:stream';

import { StoreNotConfiguredError } from '../errors/repository.ts';
import { StoreUnavailableError } from '../errors/store.ts';
import type { ArchivedVolume, ArchiveRepository } from '../repository/archive-repository.ts';
import type { ArchiveContent, ArchiveReference, RawContent } from '../repository/records.ts';
import { callBackoff } from '../retry/backoff.ts';
import { retry } from '../retry/retry.ts';
import { RetryPace } from '../retry/retry-pace.ts';
import type { AbortOptions } from '../runtime/options.ts';
import type { ArchiveStore } from '../stores/archive-store.ts';
import type { CopyOptions, ReceivedArchive, SentArchive, StoreLocation } from '../stores/artifact-store.ts';
import type { FrameStore } from '../stores/frame-store.ts';
import type { ArchiveObserver } from '../telemetry/archive-metrics.ts';
import { outcomeOf } from '../telemetry/outcome.ts';
import type {
  ArchiveService,
  PodVolume,
  SavedVolume,
  SaveOptions,
  VolumeToWrite,
  WrittenVolume,
} from './archive-service.ts';
import type { ArchiveTransfers, WriteOptions } from './archive-transfers.ts';
import { LeasedWriter, type LeasedWriterComponents, type WriteOutcome } from './leased-writer.ts';
import { beginObserved, type ObservedTransfer, observed } from './observed-transfer.ts';

export interface ArchivesComponents extends LeasedWriterComponents {
  readonly archives: LeasedWriterComponents['archives'] & Pick<ArchiveRepository, 'refer' | 'touch' | 'findContent'>;
  readonly transfers: ArchiveTransfers;
  /** The archive stores, by name. */
  readonly stores: ReadonlyMap<string, ArchiveStore>;
  /** The store of the volumes that are in pods. */
  readonly pods: FrameStore;
  /**
   * Frees this number of bytes of a store that is full. Resolves with the number that was freed.
   *
   * @defaultValue nothing is freed
   */
  readonly freeSpace?: ((store: string, bytes: number, options: AbortOptions) => Promise<number>) | undefined;
  /** How long a read of an archive is repeated while its store is unavailable, in milliseconds. */
  readonly readBudgetMs: number;
  readonly observer: ArchiveObserver;
}

/** Archives in stores, with their rows. */
export class Archives implements ArchiveService {
  readonly #components: ArchivesComponents;
  readonly #writer: LeasedWriter;

  constructor(components: ArchivesComponents) {
    this.#components = components;
    this.#writer = new LeasedWriter(components);
  }

  store(name: string): ArchiveStore {
    const store = this.#components.stores.get(name);
    if (store === undefined) throw new StoreNotConfiguredError(name);
    return store;
  }

  async save(
    volume: PodVolume,
    storeName: string,
    options: SaveOptions & { readonly candidates?: readonly ArchiveReference[] | undefined },
  ): Promise<SavedVolume> {
    const store = this.store(storeName);
    const save = async (): Promise<SavedVolume> => {
      const known = await this.#known(volume, storeName, options);
      const unchanged = await this.#findUnchanged(volume, known, options);
      if (unchanged !== undefined)
        return { archive: unchanged, isUnchanged: true, isContent: options.isDetached !== true };
      return await this.#saveAnew(volume, store, options);
    };
    const transfer = this.#observed(storeName, 'in', options);
    return await observed(transfer, save, newlyStored);
  }

  async write(
    { handle, archive: before }: VolumeToWrite,
    storeName: string,
    archive: AsyncIterable<Uint8Array>,
    { signal, ...options }: WriteOptions,
  ): Promise<WrittenVolume> {
    const { transfers } = this.#components;
    const store = this.store(storeName);
    const write = async (): Promise<WrittenVolume> => {
      const outcome = await this.#writer.write({
        store,
        signal,
        // The host's archive can be read only once.
        budgetMs: 0,
        write: (key, held) => transfers.write(store, key, archive, { ...options, signal: held }),
        volume: ({ isPlain }) => (isPlain ? { handle, replaces: before?.id } : undefined),
      });
      const { entries = 0, isPlain = false } = outcome.written ?? {};
      return { archive: outcome.archive, entries, isPlain, isContent: isPlain && outcome.isContent };
    };
    return await observed(this.#observed(storeName, 'in', { signal }), write, (written) => written.archive.storedBytes);
  }

  async copy(
    archive: ArchiveReference,
    volume: VolumeToWrite,
    storeName: string,
    { signal, budgetMs }: Pick<SaveOptions, 'budgetMs' | 'signal'>,
  ): Promise<SavedVolume> {
    const { transfers, freeSpace } = this.#components;
    const [from, store] = [this.store(archive.store), this.store(storeName)];
    const archived = { handle: volume.handle, replaces: volume.archive?.id };
    const write = async (): Promise<WriteOutcome<ArchiveContent>> =>
      await this.#writer.write({
        store,
        signal,
        budgetMs,
        full: async (held) => (await freeSpace?.(storeName, archive.storedBytes, { signal: held })) ?? 0,
        write: (key, held) => transfers.copy({ store: from, archive }, { store, key }, { signal: held }),
        volume: () => archived,
      });
    const copy = async (): Promise<SavedVolume> => {
      const same = await this.#sameContent(archive, storeName, { signal });
      if (same !== undefined && (await this.refer(same, archived, { signal })))
        return { archive: same, isUnchanged: true, isContent: true };
      this.#used(archive);
      const read = this.#observed(archive.store, 'out', { signal });
      const copied = await observed(read, write, () => archive.storedBytes);
      return { archive: copied.archive, isUnchanged: false, isContent: copied.isContent };
    };
    return await observed(this.#observed(storeName, 'in', { signal }), copy, newlyStored);
  }

  async refer({ id }: ArchiveReference, volume: ArchivedVolume, { signal }: AbortOptions = {}): Promise<boolean> {
    const { archives, retry: persist } = this.#components;
    // Not aborted by the signal: the statement may still take effect.
    return await persist(() => archives.refer(id, volume), { signal });
  }

  async relay(from: StoreLocation, to: StoreLocation, options: CopyOptions = {}): Promise<ReceivedArchive> {
    const { transfers, pods } = this.#components;
    return await transfers.relay(pods, from, to, options);
  }

  async load(archive: ArchiveReference, to: StoreLocation, options: CopyOptions = {}): Promise<ReceivedArchive> {
    const { transfers, pods } = this.#components;
    const store = this.store(archive.store);
    this.#used(archive);
    const load = () => this.#reading(() => transfers.load(store, archive, { pods, location: to }, options), options);
    return await observed(this.#observed(archive.store, 'out', options), load, () => archive.storedBytes);
  }

  async open(archive: ArchiveReference, path: string, options: AbortOptions = {}): Promise<SentArchive> {
    const { transfers } = this.#components;
    const store = this.store(archive.store);
    this.#used(archive);
    const transfer = this.#observed(archive.store, 'out', options);
    const ended = beginObserved(transfer);
    try {
      const sent = await this.#reading(() => transfers.open(store, archive, path, options), options);
      finished(sent.archive, { writable: false }, (error) => {
        if (error === undefined || error === null) ended('OK', archive.storedBytes);
        else ended(error.code === 'ERR_STREAM_PREMATURE_CLOSE' ? 'CANCELLED' : outcomeOf(error, transfer), 0);
      });
      return sent;
    } catch (error) {
      ended(outcomeOf(error, transfer), 0);
      throw error;
    }
  }

  /** Returns the archives of the store that the content of the volume is likely to equal. */
  async #known(
    { archive, received }: PodVolume,
    store: string,
    { candidates = [], signal }: SaveOptions & { readonly candidates?: readonly ArchiveReference[] | undefined },
  ): Promise<readonly ArchiveReference[]> {
    const known = [archive, ...candidates].flatMap((each) => (each?.store === store ? [each] : []));
    if (known.length > 0 || received === undefined) return known;
    const same = await this.#sameContent(received, store, { signal });
    return same === undefined ? [] : [same];
  }

  /** Returns an archive of the store that has this content. */
  async #sameContent(
    content: RawContent,
    store: string,
    { signal }: AbortOptions,
  ): Promise<ArchiveReference | undefined> {
    const { archives, workerName, retry: persist } = this.#components;
    return await persist(() => archives.findContent(workerName, store, content, { signal }), { signal });
  }

  /** Returns the known archive with the content of the volume, which the volume then refers to. */
  async #findUnchanged(
    { handle, location, archive: before }: PodVolume,
    known: readonly ArchiveReference[],
    { isDetached, signal }: SaveOptions,
  ): Promise<ArchiveReference | undefined> {
    if (known.length === 0) return undefined;
    const { digest, rawBytes } = await this.#components.pods.digestOf(location, { signal });
    const same = known.find((archive) => archive.digest === digest && archive.rawBytes === rawBytes);
    if (same === undefined || isDetached === true) return same;
    return (await this.refer(same, { handle, replaces: before?.id }, { signal })) ? same : undefined;
  }

  async #saveAnew(
    { handle, location, archive: before }: PodVolume,
    store: ArchiveStore,
    { signal, purpose, isDetached, budgetMs, progress, retrying }: SaveOptions,
  ): Promise<SavedVolume> {
    const { transfers, pods, freeSpace } = this.#components;
    const { archive, written, isContent } = await this.#writer.write({
      store,
      signal,
      purpose,
      budgetMs,
      retrying,
      // The agent reads the volume once more, which is rare, and the archive is about as large.
      full: async (held) => {
        const { rawBytes } = await pods.digestOf(location, { signal: held });
        return (await freeSpace?.(store.name, rawBytes, { signal: held })) ?? 0;
      },
      write: (key, held) =>
        transfers.save(store, key, (opening) => pods.sendFrames(location, opening), { signal: held, progress }),
      volume: () => (isDetached === true ? undefined : { handle, replaces: before?.id }),
    });
    return { archive, isUnchanged: written === undefined, isContent };
  }

  /** Repeats a read that has delivered nothing while the store is unavailable. */
  async #reading<T>(work: () => Promise<T>, { signal }: AbortOptions): Promise<T> {
    const { clock, logger, readBudgetMs: budgetMs } = this.#components;
    return await retry(work, {
      pace: new RetryPace({ clock, backoff: callBackoff, budgetMs }),
      signal,
      decide: (error) => {
        if (!(error instanceof StoreUnavailableError)) throw error;
        logger.warn('archive not read yet', { store: error.store, error });
        return 'wait';
      },
    });
  }

  /** Records a use. A use that is not recorded only makes an eviction more likely. */
  #used({ id }: ArchiveReference): void {
    const { archives, logger } = this.#components;
    archives.touch([id]).catch((error: unknown) => logger.debug('use of an archive not recorded', { id, error }));
  }

  #observed(store: string, direction: ObservedTransfer['direction'], { signal }: AbortOptions): ObservedTransfer {
    const { clock, observer } = this.#components;
    return { store, direction, clock, observer, signal };
  }
}

/** The number of bytes that a store has received. */
function newlyStored({ archive, isUnchanged }: SavedVolume): number | undefined {
  return isUnchanged ? undefined : archive.storedBytes;
}
