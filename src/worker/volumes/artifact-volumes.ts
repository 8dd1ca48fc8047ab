import { StoreNotConfiguredError } from '../../errors/repository.ts';
import type { EmitEvent } from '../../events/emit-event.ts';
import type { PodSupervisor } from '../../pods/pod-supervisor.ts';
import type { ArchiveRepository } from '../../repository/archive-repository.ts';
import type { ArchiveReference, VolumeRecord } from '../../repository/records.ts';
import type { ArtifactVolume } from '../../runtime/artifacts.ts';
import type { AbortOptions } from '../../runtime/options.ts';
import type { Artifact, Volume } from '../../runtime/volume.ts';
import { nowhere } from '../../stores/nowhere.ts';
import {
  type TemporaryRow,
  type TemporaryVolumeComponents,
  withTemporaryRow,
  withTemporaryVolume,
} from '../../stores/temporary-volume.ts';
import { diagnosed } from '../notices/diagnosed.ts';
import type { OpenStreams } from '../retention/open-streams.ts';
import type { TakeOptions } from './volume-content.ts';

/** A volume that can take the content of an artifact. */
export interface TakingVolume extends Volume {
  takeFrom(artifact: Artifact, options?: TakeOptions): Promise<unknown>;
}

export interface ArtifactVolumesComponents {
  /** How volumes are created that have a pod of their own. */
  readonly temporary: TemporaryVolumeComponents;
  readonly pods: Pick<PodSupervisor, 'diagnose'>;
  readonly streams: Pick<OpenStreams, 'open'>;
  readonly volume: (record: VolumeRecord) => TakingVolume;
  /** The rows of volumes without a pod. `undefined` for a worker without archive stores. */
  readonly rows: Pick<ArchiveRepository, 'insertArtifact'> | undefined;
  /** Returns the archive that has the content of an artifact, if the archive stores of the worker have it. */
  readonly archiveOf: (artifact: Artifact, options: AbortOptions) => Promise<ArchiveReference | undefined>;
  readonly emit: EmitEvent;
}

/** The row of a new artifact volume. */
export interface ArtifactTerms {
  readonly teamId: string | undefined;
  readonly ttlMs: number;
  /** The name of the store: that of volumes in pods, or a configured one of archives. */
  readonly store: string;
}

/** Creates artifact volumes: empty ones, and those that keep the content of another artifact. */
export class ArtifactVolumes {
  readonly #components: ArtifactVolumesComponents;

  constructor(components: ArtifactVolumesComponents) {
    this.#components = components;
  }

  /** Creates an empty volume. Without a pod, it is a row only. */
  async create(terms: ArtifactTerms, options: AbortOptions): Promise<ArtifactVolume> {
    const { teamId, ttlMs } = terms;
    const { volumes, store, workerName, newId, leaseMs } = this.#components.temporary;
    const handle = newId();
    if (terms.store !== store.name)
      return this.#created(await this.#insertSealed({ handle, workerName, timeToLiveMs: ttlMs }, terms, options));
    const location = store.locate(handle);
    const row = { handle, workerName, teamId, store: store.name, location, timeToLiveMs: ttlMs, leaseMs };
    const { expiresAt } = await volumes.insertArtifact(row, options);
    try {
      await store.create(handle, location, options);
      const record = await volumes.markCreated(handle, options);
      return this.#created({ ...record, expiresAt });
    } catch (error) {
      // Before the volume expires, because the reaper then deletes its pod.
      const reported = await this.#diagnosed(error, options);
      await this.#expire(handle);
      throw reported;
    }
  }

  /**
   * Creates a volume with the content of an artifact. Within one archive store it is a row that
   * refers to the archive. Otherwise the volume has a short time to live until the content is
   * complete. `held`: the handles of stored volumes that the reaper must not delete during the
   * call.
   */
  async copy(
    artifact: Artifact,
    terms: ArtifactTerms,
    held: readonly string[],
    { signal }: AbortOptions,
  ): Promise<ArtifactVolume> {
    const reference = await this.#refer(artifact, terms, { signal });
    if (reference !== undefined) return reference;
    const stream = this.#components.streams.open(held);
    try {
      await stream.held;
      let handle = '';
      await this.#temporary(terms, { signal }, async (record) => {
        handle = record.handle;
        await this.#components.volume(record).takeFrom(artifact, { signal });
        return true;
      });
      return this.#created(await this.#keep(handle, terms.ttlMs, { signal }));
    } catch (error) {
      throw await this.#diagnosed(error, { signal });
    } finally {
      await stream.close();
    }
  }

  /**
   * Returns `undefined` if the store has no archive of the content, or if the archive is deleted in
   * the meantime.
   */
  async #refer(
    artifact: Artifact,
    { teamId, ttlMs, store }: ArtifactTerms,
    { signal }: AbortOptions,
  ): Promise<ArtifactVolume | undefined> {
    const { rows, archiveOf, emit, temporary } = this.#components;
    if (rows === undefined || store === temporary.store.name) return undefined;
    const archive = await archiveOf(artifact, { signal });
    if (archive?.store !== store) return undefined;
    const handle = temporary.newId();
    const row = { handle, workerName: temporary.workerName, teamId, store, location: nowhere, timeToLiveMs: ttlMs };
    try {
      const inserted = await rows.insertArtifact(row, archive.id, { signal });
      if (inserted === undefined) return undefined;
      const { rawBytes, digest } = archive;
      emit({ kind: 'volume-filled', handle, path: '.', rawBytes, digest });
      return this.#created(inserted);
    } catch (error) {
      // The statement may have taken effect.
      await this.#expire(handle);
      throw error;
    }
  }

  async #temporary(
    terms: ArtifactTerms,
    options: AbortOptions,
    work: (volume: VolumeRecord) => Promise<boolean>,
  ): Promise<boolean> {
    const { temporary } = this.#components;
    const { teamId, store } = terms;
    if (store === temporary.store.name) return await withTemporaryVolume(temporary, { teamId, ...options }, work);
    return await withTemporaryRow(temporary, (row) => this.#insertSealed(row, terms, options), work);
  }

  /** Inserts a volume without a place and without content. */
  async #insertSealed(
    row: TemporaryRow,
    { teamId, store }: ArtifactTerms,
    options: AbortOptions,
  ): Promise<VolumeRecord> {
    const { rows } = this.#components;
    const inserted = await rows?.insertArtifact({ ...row, teamId, store, location: nowhere }, undefined, options);
    if (inserted === undefined) throw new StoreNotConfiguredError(store);
    return inserted;
  }

  /** Sets the time to live of a complete copy. */
  async #keep(handle: string, ttlMs: number, { signal }: AbortOptions): Promise<VolumeRecord> {
    const { volumes, workerName, retry } = this.#components.temporary;
    try {
      return await retry(() => volumes.setTimeToLive(workerName, handle, ttlMs, { signal }), { signal });
    } catch (error) {
      await this.#expire(handle);
      throw error;
    }
  }

  #created(record: VolumeRecord): ArtifactVolume {
    const { emit, volume } = this.#components;
    const { handle, teamId, expiresAt, createdAt } = record;
    emit({ kind: 'volume-created', handle, teamId });
    return { volume: volume(record), expiresAt: expiresAt ?? createdAt };
  }

  async #diagnosed(error: unknown, { signal }: AbortOptions): Promise<unknown> {
    return await diagnosed(error, { pods: this.#components.pods, signal });
  }

  /** Expires in any state, because the caller never received the volume. */
  async #expire(handle: string): Promise<void> {
    const { volumes, workerName, logger } = this.#components.temporary;
    await volumes
      .expire(workerName, handle)
      .catch((cause: unknown) => logger.warn('volume not expired', { handle, cause }));
  }
}
