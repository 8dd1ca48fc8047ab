import {
  IllegalTransitionError,
  LeaseLostError,
  RepositoryUnavailableError,
  VolumeDisappearedError,
} from '../../../errors/repository.ts';
import { WorkerNotRunningError } from '../../../errors/worker.ts';
import type { AbortOptions } from '../../../runtime/options.ts';
import type { VolumePage, VolumeQuery } from '../../../runtime/volume-query.ts';
import type { VolumeRecord } from '../../records.ts';
import type { MarkReadyOptions, NewArtifactVolume, VolumeContent, VolumeRepository } from '../../volume-repository.ts';
import { withoutArchive } from '../archives/archive-rows.ts';
import type { StatementRunner } from '../connection/statement-runner.ts';
import { checkHandles, deleteAllVolumes, deletedHandles } from '../delete-all.ts';
import { checkDuration, checkLimit } from '../input.ts';
import { jsonText, parse, toVolume } from '../rows.ts';
import { fromNow, now, type StatementBuilder } from '../tables.ts';
import { moveDueVolumes, selectDestroyableVolumes } from './destroyable-volumes.ts';
import { checkArtifact, insertArtifact } from './insert-artifact.ts';
import { listVolumes } from './volume-list.ts';

/**
 * Volumes in PostgreSQL. Every method is one statement, except `findDestroyable`, and except a move
 * that finds no row to move: a second statement then reads the row's state.
 */
export class PostgresVolumeRepository implements VolumeRepository {
  readonly #runner: StatementRunner;
  readonly #statements: StatementBuilder;

  constructor(runner: StatementRunner, statements: StatementBuilder) {
    this.#runner = runner;
    this.#statements = statements;
  }

  async insertArtifact(volume: NewArtifactVolume, options: AbortOptions = {}): Promise<VolumeRecord> {
    checkArtifact(volume);
    checkDuration('leaseMs', volume.leaseMs);
    const row = await this.#runner.first(insertArtifact(this.#statements, volume), options);
    if (row === undefined) throw await this.#notAccepted(volume.workerName, options);
    return toVolume(parse(row.row), undefined);
  }

  async markCreated(handle: string, options: AbortOptions = {}): Promise<VolumeRecord> {
    const row = await this.#runner.first(
      this.#statements
        .updateTable('volumes')
        .set({ state: 'created', lease_until: null, updated_at: now() })
        .where('handle', '=', handle)
        .where('state', 'in', ['creating', 'created'])
        .returning((eb) => [
          jsonText(eb.fn.toJson('volumes')).as('row'),
          eb
            .selectFrom('containers')
            .select('containers.handle')
            .whereRef('containers.id', '=', 'volumes.container_id')
            .as('container_handle'),
        ]),
      options,
    );
    if (row === undefined) throw await this.#refusal(handle, 'created', options);
    return toVolume(parse(row.row), row.container_handle ?? undefined);
  }

  async markFailed(handle: string, options: AbortOptions = {}): Promise<void> {
    const row = await this.#runner.first(
      this.#statements
        .updateTable('volumes')
        .set({ state: 'failed', lease_until: null, updated_at: now() })
        .where('handle', '=', handle)
        .where('state', 'in', ['creating', 'failed'])
        .returning('handle'),
      options,
    );
    if (row === undefined) throw await this.#refusal(handle, 'failed', options);
  }

  async lookup(workerName: string, handle: string, options: AbortOptions = {}): Promise<VolumeRecord | undefined> {
    const row = await this.#runner.first(
      this.#statements
        .selectFrom('volumes')
        .leftJoin('containers', 'containers.id', 'volumes.container_id')
        .select((eb) => [jsonText(eb.fn.toJson('volumes')).as('row'), 'containers.handle as container_handle'])
        .where('volumes.worker_name', '=', workerName)
        .where('volumes.handle', '=', handle),
      options,
    );
    return row === undefined ? undefined : toVolume(parse(row.row), row.container_handle ?? undefined);
  }

  async list(workerName: string, query: VolumeQuery, { signal }: AbortOptions = {}): Promise<VolumePage> {
    return await listVolumes({ runner: this.#runner, statements: this.#statements }, workerName, query, signal);
  }

  async markReady(
    handle: string,
    content: VolumeContent | undefined,
    { holder, ...options }: MarkReadyOptions = {},
  ): Promise<void> {
    const row = await this.#runner.first(
      this.#statements
        .with('open', (db) =>
          db
            .selectFrom('containers')
            .select('id')
            .where('id', '=', (eb) => eb.selectFrom('volumes').select('container_id').where('handle', '=', handle))
            // A holder that was overtaken must not change a container that a later holder completed.
            .where((eb) => (holder === undefined ? eb('state', '<>', 'creating') : eb('lease_holder', '=', holder)))
            // A takeover of the lease updates this row. The lock orders the two statements.
            .forShare(),
        )
        .updateTable('volumes')
        .set({
          ready_at: now(),
          ...(content === undefined ? {} : { digest: content.digest, size_bytes: content.sizeBytes }),
          ...withoutArchive,
          updated_at: now(),
        })
        .where('handle', '=', handle)
        .where('state', 'in', ['creating', 'created'])
        .where((eb) =>
          eb.or([eb('container_id', 'is', null), eb('container_id', 'in', eb.selectFrom('open').select('id'))]),
        )
        .returning('handle'),
      options,
    );
    if (row === undefined) throw await this.#refusal(handle, 'ready', options);
  }

  async setTimeToLive(
    workerName: string,
    handle: string,
    timeToLiveMs: number,
    options: AbortOptions = {},
  ): Promise<VolumeRecord> {
    checkDuration('timeToLiveMs', timeToLiveMs);
    const row = await this.#runner.first(
      this.#statements
        .updateTable('volumes')
        .set({ time_to_live_ms: Math.ceil(timeToLiveMs), expires_at: fromNow(timeToLiveMs), updated_at: now() })
        .where('container_id', 'is', null)
        .where('worker_name', '=', workerName)
        .where('handle', '=', handle)
        .where('state', '=', 'created')
        .returning((eb) => jsonText(eb.fn.toJson('volumes')).as('row')),
      options,
    );
    if (row === undefined) throw await this.#refusal(handle, 'kept', options);
    return toVolume(parse(row.row), undefined);
  }

  async expire(workerName: string, handle: string, options: AbortOptions = {}): Promise<boolean> {
    const row = await this.#runner.first(
      this.#statements
        .updateTable('volumes')
        .set({ state: 'destroying', lease_until: null, updated_at: now() })
        .where('worker_name', '=', workerName)
        .where('handle', '=', handle)
        .where('container_id', 'is', null)
        .returning('handle'),
      options,
    );
    return row !== undefined;
  }

  async findDestroyable(
    workerName: string,
    limit: number,
    options: AbortOptions = {},
  ): Promise<readonly VolumeRecord[]> {
    checkLimit(limit);
    await this.#runner.rows(moveDueVolumes(this.#statements, { workerName, limit }), options);
    // A second statement after the moves, because only now it sees a stream that was opened just
    // before them.
    const rows = await this.#runner.rows(selectDestroyableVolumes(this.#statements, { workerName, limit }), options);
    return rows.map(({ row }) => toVolume(parse(row), undefined));
  }

  async delete(handle: string, options: AbortOptions = {}): Promise<void> {
    const row = await this.#runner.first(
      this.#statements
        .deleteFrom('volumes')
        .where('handle', '=', handle)
        .where('container_id', 'is', null)
        .where('state', '=', 'destroying')
        .returning('handle'),
      options,
    );
    if (row !== undefined) return;
    const state = await this.#stateOf(handle, options);
    if (state !== undefined) throw new IllegalTransitionError(`volume ${handle}`, state, 'deleted');
  }

  async deleteAll(handles: readonly string[], options: AbortOptions = {}): Promise<readonly string[]> {
    if (handles.length === 0) return [];
    checkHandles(handles);
    return deletedHandles(await this.#runner.first(deleteAllVolumes(this.#statements, handles), options));
  }

  /** Returns the reason why the worker accepted no volume. */
  async #notAccepted(workerName: string, options: AbortOptions): Promise<Error> {
    const row = await this.#runner.first(
      this.#statements.selectFrom('workers').select('state').where('name', '=', workerName),
      options,
    );
    if (row?.state === 'running')
      return new RepositoryUnavailableError(`worker ${workerName} was resumed during the insert of a volume`);
    return new WorkerNotRunningError(workerName, row?.state ?? 'retired');
  }

  /**
   * Returns the reason why a move found no row. A container's volume may become ready in either
   * state, by the lease's holder.
   */
  async #refusal(handle: string, to: string, options: AbortOptions): Promise<Error> {
    const state = await this.#stateOf(handle, options);
    if (to === 'ready' && (state === 'creating' || state === 'created')) return new LeaseLostError(handle);
    // The worker is unknown because the row no longer exists.
    if (state === undefined) return new VolumeDisappearedError(handle, 'unknown');
    return new IllegalTransitionError(`volume ${handle}`, state, to);
  }

  async #stateOf(handle: string, options: AbortOptions): Promise<string | undefined> {
    const row = await this.#runner.first(
      this.#statements.selectFrom('volumes').select('state').where('handle', '=', handle),
      options,
    );
    return row?.state;
  }
}
