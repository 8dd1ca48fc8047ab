import type { RawBuilder } from 'kysely';
import { sql } from 'kysely';

import {
  IllegalTransitionError,
  LeaseLostError,
  RepositoryUnavailableError,
  VolumeDisappearedError,
} from '../../errors/repository.ts';
import type { AbortOptions } from '../../runtime/options.ts';
import type { VolumeRecord } from '../records.ts';
import type { MarkReadyOptions, NewArtifactVolume, VolumeContent, VolumeRepository } from '../volume-repository.ts';
import { checkDuration, checkLimit, checkText, toJson } from './input.ts';
import type { JsonRow } from './rows.ts';
import { parseVolume } from './rows.ts';
import type { StatementRunner } from './statement-runner.ts';
import type { Tables } from './tables.ts';
import { fromNow } from './tables.ts';

/** Volumes in PostgreSQL. Every method is one statement, but for a look at the row after a move that moved nothing. */
export class PostgresVolumeRepository implements VolumeRepository {
  readonly #runner: StatementRunner;
  readonly #tables: Tables;

  constructor(runner: StatementRunner, tables: Tables) {
    this.#runner = runner;
    this.#tables = tables;
  }

  async insertArtifact(volume: NewArtifactVolume, options: AbortOptions = {}): Promise<VolumeRecord> {
    checkText('handle', volume.handle, 253);
    checkText('workerName', volume.workerName, 253);
    checkText('teamId', volume.teamId, 1_024);
    checkText('store', volume.store, 253);
    checkDuration('timeToLiveMs', volume.timeToLiveMs);
    checkDuration('leaseMs', volume.leaseMs);
    const { volumes } = this.#tables;
    const row = await this.#runner.first(
      sql<JsonRow>`
        with changed as (
          insert into ${volumes} (handle, worker_name, kind, state, team_id, store, location, expires_at, lease_until)
          values (${volume.handle}, ${volume.workerName}, 'artifact', 'creating', ${volume.teamId}, ${volume.store},
            ${toJson('location', volume.location)}::jsonb, ${fromNow(volume.timeToLiveMs)}, ${fromNow(volume.leaseMs)})
          returning *
        ) ${this.#changed()}`,
      options,
    );
    if (row === undefined) throw new RepositoryUnavailableError('an insert gave no row');
    return parseVolume(row.row);
  }

  async markCreated(handle: string, options: AbortOptions = {}): Promise<VolumeRecord> {
    const { volumes } = this.#tables;
    const row = await this.#runner.first(
      sql<JsonRow>`
        with changed as (
          update ${volumes} set state = 'created', lease_until = null, updated_at = now()
          where handle = ${handle} and state in ('creating', 'created')
          returning *
        ) ${this.#changed()}`,
      options,
    );
    if (row === undefined) throw await this.#refusal(handle, 'created', options);
    return parseVolume(row.row);
  }

  async markFailed(handle: string, options: AbortOptions = {}): Promise<void> {
    const { volumes } = this.#tables;
    const row = await this.#runner.first(
      sql`update ${volumes} set state = 'failed', lease_until = null, updated_at = now()
        where handle = ${handle} and state in ('creating', 'failed') returning 1`,
      options,
    );
    if (row === undefined) throw await this.#refusal(handle, 'failed', options);
  }

  async lookup(workerName: string, handle: string, options: AbortOptions = {}): Promise<VolumeRecord | undefined> {
    const { volumes } = this.#tables;
    const row = await this.#runner.first(
      sql<JsonRow>`
        with changed as (select * from ${volumes} where worker_name = ${workerName} and handle = ${handle}) ${this.#changed()}`,
      options,
    );
    return row === undefined ? undefined : parseVolume(row.row);
  }

  async markReady(
    handle: string,
    content: VolumeContent | undefined,
    { holder, ...options }: MarkReadyOptions = {},
  ): Promise<void> {
    const { containers, volumes } = this.#tables;
    const digest = content?.digest ?? null;
    const sizeBytes = content === undefined ? null : String(content.sizeBytes);
    const row = await this.#runner.first(
      // The lock on the container's row, which changes hands by an update of it, orders the two.
      sql`
        with open as (
          select id from ${containers}
          where id = (select container_id from ${volumes} where handle = ${handle}) and (state <> 'creating' or lease_holder = ${holder ?? null})
          for share
        )
        update ${volumes}
        set ready_at = now(), digest = coalesce(${digest}::text, digest), size_bytes = coalesce(${sizeBytes}::text::bigint, size_bytes), updated_at = now()
        where handle = ${handle} and state in ('creating', 'created') and (container_id is null or container_id in (select id from open))
        returning 1`,
      options,
    );
    if (row === undefined) throw await this.#refusal(handle, 'ready', options);
  }

  async expire(workerName: string, handle: string, options: AbortOptions = {}): Promise<boolean> {
    const { volumes } = this.#tables;
    const row = await this.#runner.first(
      sql`update ${volumes} set state = 'destroying', lease_until = null, updated_at = now()
        where worker_name = ${workerName} and handle = ${handle} and container_id is null
          and state in ('creating', 'created', 'failed', 'destroying')
        returning 1`,
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
    const { volumes } = this.#tables;
    const rows = await this.#runner.rows(
      sql<JsonRow>`
        with due as materialized (
          select id from ${volumes}
          where worker_name = ${workerName} and container_id is null and (
            state = 'failed'
            or (state = 'creating' and lease_until < now())
            or (state in ('creating', 'created') and expires_at < now())
          )
          order by created_at, id limit ${limit}::int
          for update skip locked
        ), moved as (
          update ${volumes} set state = 'destroying', lease_until = null, updated_at = now()
          where id in (select id from due)
          returning *
        ), changed as (
          select * from moved
          union all
          select * from (
            select * from ${volumes}
            where worker_name = ${workerName} and container_id is null and state = 'destroying'
            order by created_at, id limit ${limit}::int
          ) as destroying
          order by created_at, id limit ${limit}::int
        ) ${this.#changed()} order by changed.created_at, changed.id`,
      options,
    );
    return rows.map(({ row }) => parseVolume(row));
  }

  async delete(handle: string, options: AbortOptions = {}): Promise<void> {
    const { volumes } = this.#tables;
    const row = await this.#runner.first(
      sql`delete from ${volumes} where handle = ${handle} and container_id is null and state = 'destroying' returning 1`,
      options,
    );
    if (row !== undefined) return;
    const state = await this.#stateOf(handle, options);
    if (state !== undefined) throw new IllegalTransitionError(`volume ${handle}`, state, 'deleted');
  }

  /** Ends a statement of which the part `changed` has rows of volumes. */
  #changed(): RawBuilder<JsonRow> {
    return sql`select (select row_to_json(volume) from (select changed.*, container.handle as container_handle) as volume)::text as row
      from changed left join ${this.#tables.containers} as container on container.id = changed.container_id`;
  }

  /** Why a move found no row that it may move. A container's volume may get ready in either state, by the lease's holder. */
  async #refusal(handle: string, to: string, options: AbortOptions): Promise<Error> {
    const state = await this.#stateOf(handle, options);
    if (to === 'ready' && (state === 'creating' || state === 'created')) return new LeaseLostError(handle);
    // Without its row nothing says on which worker it was.
    if (state === undefined) return new VolumeDisappearedError(handle, 'unknown');
    return new IllegalTransitionError(`volume ${handle}`, state, to);
  }

  async #stateOf(handle: string, options: AbortOptions): Promise<string | undefined> {
    const row = await this.#runner.first(
      sql<{ state: string }>`select state from ${this.#tables.volumes} where handle = ${handle}`,
      options,
    );
    return row?.state;
  }
}
