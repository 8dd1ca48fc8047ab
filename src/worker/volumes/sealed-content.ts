import type { ArchiveService, WrittenVolume } from '../../archives/archive-service.ts';
import { VolumeDisappearedError } from '../../errors/repository.ts';
import { StoreUnavailableError, VolumeChangedError } from '../../errors/store.ts';
import { openSource } from '../../internal/open-source.ts';
import type { ArchiveReference, VolumeRecord } from '../../repository/records.ts';
import type { VolumeRepository } from '../../repository/volume-repository.ts';
import { callBackoff } from '../../retry/backoff.ts';
import { retry } from '../../retry/retry.ts';
import { RetryPace } from '../../retry/retry-pace.ts';
import type { AbortOptions, Clock } from '../../runtime/options.ts';
import type { StreamSource } from '../../runtime/volume.ts';
import type { ReceivedArchive, SentArchive, StoreLocation } from '../../stores/artifact-store.ts';
import { type TemporaryVolumeComponents, withTemporaryVolume } from '../../stores/temporary-volume.ts';
import { sendEmpty } from './empty-content.ts';
import { isLost, readNewest } from './newest-content.ts';
import {
  type ContentPlace,
  type FillOptions,
  isWhole,
  type TakenContent,
  type TakeOptions,
  type VolumeContent,
} from './volume-content.ts';

export interface SealedContentComponents {
  readonly volumes: Pick<VolumeRepository, 'lookup'>;
  readonly archives: Pick<ArchiveService, 'save' | 'write' | 'copy' | 'refer' | 'load' | 'open'>;
  /** Creates volumes in pods, in which archives are changed. */
  readonly temporary: TemporaryVolumeComponents;
  /** How long a call retries while the store is unavailable, in milliseconds. */
  readonly budgetMs: number;
  /** Called when a temporary volume was left to the reaper. */
  readonly reapSoon: () => void;
  readonly clock: Clock;
}

/** Puts new content into a place in a pod. */
interface Overlay {
  readonly put: (location: StoreLocation) => Promise<ReceivedArchive>;
  /** Whether it can be put again. */
  readonly isRepeatable: boolean;
}

/** How often a merge is repeated because another call has changed the content. */
const maxMerges = 5;

/**
 * The content of an artifact volume without a place in a pod: an archive, or nothing yet. An archive
 * never changes. A change writes another one, and moves the volume's reference if it is still the one
 * that the change began with.
 */
export class SealedContent implements VolumeContent {
  readonly #volume: Pick<VolumeRecord, 'handle' | 'workerName' | 'store'>;
  readonly #components: SealedContentComponents;

  constructor(volume: Pick<VolumeRecord, 'handle' | 'workerName' | 'store'>, components: SealedContentComponents) {
    this.#volume = volume;
    this.#components = components;
  }

  /** The first archive of the whole content is written straight to the store. */
  async receive(path: string, source: StreamSource, options: FillOptions = {}): Promise<ReceivedArchive> {
    const before = await this.#current(options);
    if (before === undefined && isWhole(path)) return await this.#write(source, options);
    const { temporary } = this.#components;
    const { signal, expandedLimitBytes, isProven, progress } = options;
    const receiving = { signal, expandedLimitBytes, isProven, progress };
    const put = (location: StoreLocation) => temporary.store.receive(location, path, source, receiving);
    return await this.#merge({ put, isRepeatable: typeof source === 'function' }, options);
  }

  async take(from: VolumeContent, { signal, progress }: TakeOptions = {}): Promise<TakenContent | undefined> {
    const { archives, temporary, budgetMs } = this.#components;
    const { handle, store } = this.#volume;
    const { archive, service, open, received } = await from.locate({ signal });
    if (archive !== undefined && service === archives) return await this.#takeArchive(archive, { signal });
    if (open?.store !== temporary.store) return undefined;
    const volume = { handle, location: open.location, archive: undefined, received };
    const saved = await archives.save(volume, store, { signal, progress, budgetMs });
    return saved.isContent ? saved.archive : undefined;
  }

  /** An archive of the same store is referred to. Of another one, the stored bytes are copied as they are. */
  async #takeArchive(archive: ArchiveReference, { signal }: AbortOptions): Promise<TakenContent | undefined> {
    const { archives, budgetMs } = this.#components;
    const { handle, store } = this.#volume;
    if (archive.store !== store) {
      const copying = archives.copy(archive, { handle, archive: undefined }, store, { signal, budgetMs });
      const copied = await unlessLost(copying);
      return copied?.isContent === true ? copied.archive : undefined;
    }
    return (await archives.refer(archive, { handle, replaces: undefined }, { signal })) ? archive : undefined;
  }

  async send(path: string, { signal }: AbortOptions = {}): Promise<SentArchive> {
    const { archives, temporary } = this.#components;
    const sent = await readNewest<SentArchive>({
      locate: async () => await this.locate({ signal }),
      fromArchive: async (archive) => await archives.open(archive, path, { signal }),
      fromPlace: async () => undefined,
      logger: temporary.logger,
    });
    return sent ?? sendEmpty(this.#volume.handle, path);
  }

  async locate({ signal }: AbortOptions = {}): Promise<ContentPlace> {
    const { handle } = this.#volume;
    const { archive } = await this.#lookup({ signal });
    return { handle, archive, service: this.#components.archives, open: undefined };
  }

  /** Writes an archive of the host to the store. Packs it again in a pod if that is needed to read it. */
  async #write(source: StreamSource, options: FillOptions): Promise<ReceivedArchive> {
    const { archives, clock, budgetMs } = this.#components;
    const { signal, expandedLimitBytes, isProven, progress } = options;
    const write = async (): Promise<WrittenVolume> => {
      const archive = typeof source === 'function' ? await openSource(source, signal) : source;
      const volume = { handle: this.#volume.handle, archive: undefined };
      return await archives.write(volume, this.#volume.store, archive, {
        signal,
        expandedLimitBytes,
        isProven,
        progress,
      });
    };
    const { archive, entries, isContent } = await retry(write, {
      pace: new RetryPace({ clock, backoff: callBackoff, budgetMs }),
      signal,
      decide: (error) => {
        if (!(error instanceof StoreUnavailableError) || typeof source !== 'function') throw error;
        return 'wait';
      },
    });
    const { rawBytes, digest } = archive;
    const received = { rawBytes, digest, entries };
    if (isContent) return received;
    // The archive is not plain, or another call was faster.
    const put = async (location: StoreLocation) => {
      await archives.load(archive, location, { signal });
      return received;
    };
    return await this.#merge({ put, isRepeatable: true }, options);
  }

  /** Merges new content into the volume's current content. */
  async #merge({ put, isRepeatable }: Overlay, { signal }: AbortOptions): Promise<ReceivedArchive> {
    for (let merge = 1; ; merge += 1) {
      const before = await this.#current({ signal });
      const received = await this.#mergeInto(before, put, { signal });
      if (received !== undefined) return received;
      if (isRepeatable && merge < maxMerges) continue;
      await this.#current({ signal });
      throw new VolumeChangedError(this.#volume.handle);
    }
  }

  /** Returns `undefined` if the volume has another archive at the end; its content is then unchanged. */
  async #mergeInto(
    before: ArchiveReference | undefined,
    put: Overlay['put'],
    { signal }: AbortOptions,
  ): Promise<ReceivedArchive | undefined> {
    const { archives, temporary, budgetMs, reapSoon } = this.#components;
    const { handle, store } = this.#volume;
    let merged: ReceivedArchive | undefined;
    try {
      await withTemporaryVolume(temporary, { teamId: undefined, signal }, async ({ location }) => {
        if (before !== undefined) await archives.load(before, location, { signal });
        const received = await put(location);
        const { isContent } = await archives.save({ handle, location, archive: before }, store, { signal, budgetMs });
        if (isContent) merged = received;
        return false;
      });
    } finally {
      reapSoon();
    }
    return merged;
  }

  /**
   * Returns the archive of the volume, to be changed.
   *
   * @throws VolumeDisappearedError - the volume is not live
   */
  async #current({ signal }: AbortOptions): Promise<ArchiveReference | undefined> {
    const record = await this.#lookup({ signal });
    if (record.state !== 'created') throw this.#disappeared();
    return record.archive;
  }

  async #lookup({ signal }: AbortOptions): Promise<VolumeRecord> {
    const record = await this.#components.volumes.lookup(this.#volume.workerName, this.#volume.handle, { signal });
    if (record === undefined) throw this.#disappeared();
    return record;
  }

  #disappeared(): VolumeDisappearedError {
    return new VolumeDisappearedError(this.#volume.handle, this.#volume.workerName);
  }
}

/** Of an archive that is lost, the pod of its producer may have the content, which `send` finds. */
async function unlessLost<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (!isLost(error)) throw error;
    return undefined;
  }
}
