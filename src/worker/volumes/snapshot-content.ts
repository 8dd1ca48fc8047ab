import type { ArchiveService } from '../../archives/archive-service.ts';
import type { ArchiveReference, VolumeRecord } from '../../repository/records.ts';
import type { VolumeRepository } from '../../repository/volume-repository.ts';
import type { AbortOptions, Logger } from '../../runtime/options.ts';
import type { StreamSource } from '../../runtime/volume.ts';
import type { CopyOptions, ReceivedArchive, SentArchive, StoreLocation } from '../../stores/artifact-store.ts';
import { readNewest } from './newest-content.ts';
import { PodContent, type PodContentComponents } from './pod-content.ts';
import { receivedOf } from './received-content.ts';
import type { ContentPlace, FillOptions, TakenContent, TakeOptions, VolumeContent } from './volume-content.ts';

export interface SnapshotContentComponents extends PodContentComponents {
  readonly volumes: Pick<VolumeRepository, 'markReady' | 'lookup'>;
  readonly archives: Pick<ArchiveService, 'load' | 'open' | 'relay'>;
  readonly logger: Logger;
}

type Snapshotted = Pick<VolumeRecord, 'handle' | 'workerName' | 'location'>;

/**
 * The content of a volume in a pod of a worker with archive stores. If the volume has an archive,
 * which is its content when a process ended, reads use it.
 */
export class SnapshotContent implements VolumeContent {
  readonly #volume: Snapshotted;
  readonly #components: SnapshotContentComponents;
  readonly #pod: PodContent;

  constructor(volume: Snapshotted, components: SnapshotContentComponents) {
    this.#volume = volume;
    this.#components = components;
    this.#pod = new PodContent(volume, components);
  }

  async receive(path: string, archive: StreamSource, options: FillOptions = {}): Promise<ReceivedArchive> {
    return await this.#pod.receive(path, archive, options);
  }

  /** An archive is unpacked into the pod without being decoded on the way. */
  async take(from: VolumeContent, options: TakeOptions = {}): Promise<TakenContent | undefined> {
    const { archives, logger } = this.#components;
    return await readNewest<TakenContent>({
      locate: async () => {
        const place = await from.locate(options);
        return place.service === archives ? place : { ...place, archive: undefined };
      },
      fromArchive: async (archive) => await this.#load(archive, options),
      fromPlace: async (open) => await this.#relay(open, options),
      logger,
    });
  }

  async send(path: string, options: AbortOptions = {}): Promise<SentArchive> {
    const { archives, logger } = this.#components;
    const fromPlace = async (): Promise<SentArchive> => await this.#pod.send(path, options);
    const sent = await readNewest<SentArchive>({
      locate: async () => await this.locate(options),
      fromArchive: async (archive) => await archives.open(archive, path, options),
      fromPlace,
      logger,
    });
    return sent ?? (await fromPlace());
  }

  /** Looks the row up, because a process may have ended in the meantime. */
  async locate(options: AbortOptions = {}): Promise<ContentPlace> {
    const { volumes, archives } = this.#components;
    const { workerName, handle } = this.#volume;
    const { open } = await this.#pod.locate();
    const record = await volumes.lookup(workerName, handle, options);
    const received = record === undefined ? undefined : receivedOf(record);
    return { handle, archive: record?.archive, service: archives, open, received };
  }

  async #load(archive: ArchiveReference, options: TakeOptions): Promise<TakenContent> {
    return await this.#fill((to, copying) => this.#components.archives.load(archive, to, copying), options);
  }

  /** The row then has a digest that the host has computed: archives are found by it. */
  async #relay(open: ContentPlace['open'], options: TakeOptions): Promise<TakenContent | undefined> {
    const { store, archives } = this.#components;
    if (open?.store !== store) return undefined;
    return await this.#fill((to, copying) => archives.relay(open.location, to, copying), options);
  }

  async #fill(
    copy: (to: StoreLocation, options: CopyOptions) => Promise<ReceivedArchive>,
    options: TakeOptions,
  ): Promise<TakenContent> {
    const { signal, lease, progress } = options;
    const received = await copy(this.#volume.location, { signal, generation: lease?.generation, progress });
    await this.#pod.markReady('.', received, options);
    return received;
  }
}
