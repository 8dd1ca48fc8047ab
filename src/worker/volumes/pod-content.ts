import type { VolumeRecord } from '../../repository/records.ts';
import type { VolumeRepository } from '../../repository/volume-repository.ts';
import type { AbortOptions } from '../../runtime/options.ts';
import type { StreamSource } from '../../runtime/volume.ts';
import type { ArtifactStore, ReceivedArchive, SentArchive } from '../../stores/artifact-store.ts';
import {
  type ContentPlace,
  type FillOptions,
  isWhole,
  type TakenContent,
  type TakeOptions,
  type VolumeContent,
} from './volume-content.ts';

export interface PodContentComponents {
  readonly volumes: Pick<VolumeRepository, 'markReady'>;
  readonly store: ArtifactStore;
  /** Runs work on the database, and retries it after retryable errors. */
  readonly retry: (work: () => Promise<void>, options: AbortOptions) => Promise<void>;
}

/** The content of an open volume: it is at a place of an artifact store, and may change. */
export class PodContent implements VolumeContent {
  readonly #volume: Pick<VolumeRecord, 'handle' | 'location'>;
  readonly #components: PodContentComponents;

  constructor(volume: Pick<VolumeRecord, 'handle' | 'location'>, components: PodContentComponents) {
    this.#volume = volume;
    this.#components = components;
  }

  async receive(path: string, archive: StreamSource, options: FillOptions = {}): Promise<ReceivedArchive> {
    const { lease, ...receiving } = options;
    const received = await this.#components.store.receive(this.#volume.location, path, archive, {
      ...receiving,
      generation: lease?.generation,
    });
    await this.markReady(path, received, options);
    return received;
  }

  /** Within one store the bytes are copied directly, without decoding. */
  async take(from: VolumeContent, options: TakeOptions = {}): Promise<TakenContent | undefined> {
    const { store } = this.#components;
    const { open } = await from.locate(options);
    const { signal, lease, progress } = options;
    if (open?.store !== store) return undefined;
    const copying = { signal, generation: lease?.generation, progress };
    const copied = await store.copy(open.location, this.#volume.location, copying);
    await this.markReady('.', copied, options);
    return copied;
  }

  async send(path: string, { signal }: AbortOptions = {}): Promise<SentArchive> {
    return await this.#components.store.send(this.#volume.location, path, { signal });
  }

  async locate(): Promise<ContentPlace> {
    const { handle, location } = this.#volume;
    return { handle, archive: undefined, service: undefined, open: { store: this.#components.store, location } };
  }

  /**
   * Marks the content ready. Tries at least once, even after an abort, because the content exists.
   */
  async markReady(path: string, { digest, rawBytes }: TakenContent, { signal, lease }: TakeOptions): Promise<void> {
    const { volumes, retry } = this.#components;
    const content = isWhole(path) ? { digest, sizeBytes: rawBytes } : undefined;
    await retry(() => volumes.markReady(this.#volume.handle, content, { holder: lease?.holder }), { signal });
  }
}
