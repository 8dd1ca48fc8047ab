import { sql } from 'kysely';
import {
  ContainerDisappearedError,
  IllegalTransitionError,
  LeaseLostError,
  RepositoryUnavailableError,
} from '../../errors/repository.ts';
import type { ContainerOwner } from '../../runtime/container.ts';
import type { AbortOptions } from '../../runtime/options.ts';
import type {
  ContainerRepository,
  FindDestroyableOptions,
  FoundContainer,
  Lease,
  NewContainer,
  RecordProcessResultOptions,
} from '../container-repository.ts';
import type { ContainerRecord, ProcessResultRecord, VolumeRecord } from '../records.ts';
import { checkNewContainer, findLive, insertUnlessLive, toFound } from './find-or-insert.ts';
import { checkDuration, checkLimit, checkOwner, checkProperty, checkText, ownerDigest, toJson } from './input.ts';
import type { JsonRow } from './rows.ts';
import { parseContainer, parseVolumes } from './rows.ts';
import type { StatementRunner } from './statement-runner.ts';
import type { Tables } from './tables.ts';
import { fromNow } from './tables.ts';

/** How often `findOrInsert` goes round where each time the live row vanishes between its insert and its look. */
const findOrInsertRounds = 8;

/** Containers in PostgreSQL. Every method is one statement, but for `findOrInsert` and for a look at the row after a move that moved nothing. */
export class PostgresContainerRepository implements ContainerRepository {
  readonly #runner: StatementRunner;
  readonly #tables: Tables;

  constructor(runner: StatementRunner, tables: Tables) {
    this.#runner = runner;
    this.#tables = tables;
  }

  async findOrInsert(
    workerName: string,
    owner: ContainerOwner,
    lease: Lease,
    make: () => NewContainer,
    options: AbortOptions = {},
  ): Promise<FoundContainer> {
    checkText('workerName', workerName, 253);
    checkOwner(owner);
    checkLease(lease);
    let made: NewContainer | undefined;
    for (let round = 1; round <= findOrInsertRounds; round += 1) {
      const found = await this.#runner.first(findLive(this.#tables, workerName, owner, lease), options);
      if (found !== undefined) return toFound(found);
      made ??= checked(make(), workerName, owner);
      const inserted = await this.#runner.first(insertUnlessLive(this.#tables, made, lease), options);
      if (inserted !== undefined) return toFound(inserted);
    }
    throw new RepositoryUnavailableError(
      `the live container of an owner vanished ${findOrInsertRounds} times while it was looked for`,
    );
  }

  async renewLease(handle: string, lease: Lease, options: AbortOptions = {}): Promise<boolean> {
    checkLease(lease);
    const row = await this.#runner.first(
      sql`update ${this.#tables.containers} set lease_until = ${fromNow(lease.durationMs)}, updated_at = now()
        where handle = ${handle} and state = 'creating' and lease_holder = ${lease.holder}
        returning 1`,
      options,
    );
    return row !== undefined;
  }

  async releaseLease(handle: string, holder: string, options: AbortOptions = {}): Promise<boolean> {
    const row = await this.#runner.first(
      sql`update ${this.#tables.containers} set lease_holder = null, updated_at = now()
        where handle = ${handle} and state = 'creating' and lease_holder = ${holder}
        returning 1`,
      options,
    );
    return row !== undefined;
  }

  async lookup(workerName: string, handle: string, options: AbortOptions = {}): Promise<ContainerRecord | undefined> {
    const row = await this.#runner.first(
      sql<JsonRow>`select row_to_json(container)::text as row from ${this.#tables.containers} as container
        where worker_name = ${workerName} and handle = ${handle}`,
      options,
    );
    return row === undefined ? undefined : parseContainer(row.row);
  }

  async volumesOf(handle: string, options: AbortOptions = {}): Promise<readonly VolumeRecord[]> {
    const { containers, volumes } = this.#tables;
    const row = await this.#runner.first(
      sql<JsonRow>`
        select coalesce(json_agg(row_to_json(volume) order by volume.id), '[]')::text as row from (
          select each.*, container.handle as container_handle
          from ${containers} as container join ${volumes} as each on each.container_id = container.id
          where container.handle = ${handle}
        ) as volume`,
      options,
    );
    return row === undefined ? [] : parseVolumes(row.row);
  }

  async recordPod(handle: string, holder: string, podUid: string, options: AbortOptions = {}): Promise<void> {
    checkText('podUid', podUid, 253);
    const row = await this.#runner.first(
      sql`update ${this.#tables.containers} set pod_uid = ${podUid}, updated_at = now()
        where handle = ${handle} and state = 'creating' and lease_holder = ${holder} returning 1`,
      options,
    );
    if (row === undefined) throw await this.#refusal(handle, 'creating', options);
  }

  async markCreated(handle: string, holder: string, options: AbortOptions = {}): Promise<void> {
    await this.#move(handle, holder, 'created', options);
  }

  async markFailed(handle: string, holder: string, options: AbortOptions = {}): Promise<void> {
    await this.#move(handle, holder, 'failed', options);
  }

  async markOwnerFinished(workerName: string, owner: ContainerOwner, options: AbortOptions = {}): Promise<number> {
    checkOwner(owner);
    const { containers, volumes } = this.#tables;
    const rows = await this.#runner.rows(
      sql`
        with moved as (
          update ${containers} set state = 'destroying', lease_holder = null, lease_until = null, updated_at = now()
          where worker_name = ${workerName} and owner_digest = ${ownerDigest(owner)} and state in ('creating', 'created')
          returning id
        ), mounted as (
          update ${volumes} set state = 'destroying', updated_at = now() where container_id in (select id from moved)
        )
        select 1 from moved`,
      options,
    );
    return rows.length;
  }

  async findDestroyable(
    workerName: string,
    limit: number,
    options: FindDestroyableOptions = {},
  ): Promise<readonly ContainerRecord[]> {
    const { hijackGraceMs = 0 } = options;
    checkLimit(limit);
    checkDuration('hijackGraceMs', hijackGraceMs);
    const { containers, hijacks, volumes } = this.#tables;
    const unattended = sql`not exists (select from ${hijacks} where container_id = ${containers}.id and seen_at > ${fromNow(-hijackGraceMs)})`;
    const rows = await this.#runner.rows(
      sql<JsonRow>`
        with due as materialized (
          select id from ${containers}
          where worker_name = ${workerName} and (state = 'failed' or (state = 'creating' and lease_until < now())) and ${unattended}
          order by created_at, id limit ${limit}::int
          for update skip locked
        ), moved as (
          update ${containers} set state = 'destroying', lease_holder = null, lease_until = null, updated_at = now()
          where id in (select id from due)
          returning *
        ), mounted as (
          update ${volumes} set state = 'destroying', updated_at = now() where container_id in (select id from moved)
        ), destroyable as (
          select * from moved
          union all
          select * from (
            select * from ${containers} where worker_name = ${workerName} and state = 'destroying' and ${unattended}
            order by created_at, id limit ${limit}::int
          ) as destroying
          order by created_at, id limit ${limit}::int
        )
        select row_to_json(destroyable)::text as row from destroyable order by created_at, id`,
      options,
    );
    return rows.map(({ row }) => parseContainer(row));
  }

  async delete(handle: string, options: AbortOptions = {}): Promise<number> {
    const { containers, volumes } = this.#tables;
    const row = await this.#runner.first(
      sql<{ volumes: string }>`
        with gone as (
          delete from ${containers} where handle = ${handle} and state = 'destroying' returning id
        ), mounted as (
          delete from ${volumes} where container_id in (select id from gone) returning 1
        )
        select (select count(*) from mounted)::text as volumes from gone`,
      options,
    );
    if (row !== undefined) return Number(row.volumes);
    const state = await this.#stateOf(handle, options);
    if (state !== undefined) throw new IllegalTransitionError(`container ${handle}`, state, 'deleted');
    return 0;
  }

  async properties(handle: string, options: AbortOptions = {}): Promise<Readonly<Record<string, string>>> {
    const { containers, containerProperties } = this.#tables;
    const row = await this.#runner.first(
      sql<JsonRow>`
        select (
          select coalesce(json_object_agg(property.name, property.value), '{}')
          from ${containerProperties} as property where property.container_id = container.id
        )::text as row
        from ${containers} as container where handle = ${handle}`,
      options,
    );
    if (row === undefined) throw disappeared(handle);
    return JSON.parse(row.row) as Readonly<Record<string, string>>;
  }

  async setProperty(handle: string, name: string, value: string, options: AbortOptions = {}): Promise<void> {
    checkProperty('name', name, 'value', value);
    const { containers, containerProperties } = this.#tables;
    const row = await this.#runner.first(
      sql`
        with container as (select id from ${containers} where handle = ${handle} for key share)
        insert into ${containerProperties} (container_id, name, value) select id, ${name}, ${value} from container
        on conflict (container_id, name) do update set value = excluded.value, updated_at = now()
        returning 1`,
      options,
    );
    if (row === undefined) throw disappeared(handle);
  }

  async recordHijack(handle: string, processId: string, options: AbortOptions = {}): Promise<void> {
    checkText('processId', processId, 100);
    const { containers, hijacks } = this.#tables;
    const row = await this.#runner.first(
      sql`
        with container as (
          update ${containers} set last_hijack_at = now(), updated_at = now() where handle = ${handle} returning id
        ), recorded as (
          insert into ${hijacks} (container_id, process_id) select id, ${processId} from container
          on conflict (container_id, process_id) do update set seen_at = now()
        )
        select 1 from container`,
      options,
    );
    if (row === undefined) throw disappeared(handle);
  }

  async endHijack(handle: string, processId: string, options: AbortOptions = {}): Promise<void> {
    const { containers, hijacks } = this.#tables;
    await this.#runner.rows(
      sql`
        with ended as (
          delete from ${hijacks} using ${containers} as container
          where container_id = container.id and container.handle = ${handle} and process_id = ${processId}
          returning container_id
        )
        update ${containers} set last_hijack_at = now(), updated_at = now() where id in (select container_id from ended)`,
      options,
    );
  }

  async recordProcessResult(
    handle: string,
    processId: string,
    { exitStatus, signal: number, oomKills, stdoutBytes, stderrBytes }: ProcessResultRecord,
    { properties = {}, ...options }: RecordProcessResultOptions = {},
  ): Promise<void> {
    checkText('processId', processId, 100);
    for (const [name, value] of Object.entries(properties))
      checkProperty(`properties[${JSON.stringify(name)}]`, name, `properties.${name}`, value);
    // A list and not an object, in which PostgreSQL would take `__proto__` for a name like any other, and JavaScript not.
    const given = toJson(
      'properties',
      Object.entries(properties).map(([name, value]) => ({ name, value })),
    );
    const { containers, containerProperties, processes } = this.#tables;
    const row = await this.#runner.first(
      sql`
        with container as (
          select id from ${containers} where handle = ${handle} for key share
        ), recorded as (
          insert into ${processes} (container_id, process_id, exit_status, signal, oom_kills, stdout_bytes, stderr_bytes)
          select id, ${processId}, ${exitStatus}::int, ${number ?? null}::int, ${oomKills ?? null}::bigint,
            ${stdoutBytes ?? null}::bigint, ${stderrBytes ?? null}::bigint
          from container
          on conflict (container_id, process_id) do nothing
        ), set as (
          insert into ${containerProperties} (container_id, name, value)
          select container.id, given.name, given.value from container, jsonb_to_recordset(${given}::jsonb) as given (name text, value text)
          on conflict (container_id, name) do update set value = excluded.value, updated_at = now()
        )
        select 1 from container`,
      options,
    );
    if (row === undefined) throw disappeared(handle);
  }

  async findProcessResult(
    handle: string,
    processId: string,
    options: AbortOptions = {},
  ): Promise<ProcessResultRecord | undefined> {
    const { containers, processes } = this.#tables;
    const row = await this.#runner.first(
      sql<
        Readonly<Record<'signal' | 'oom_kills' | 'stdout_bytes' | 'stderr_bytes', string | null>> & {
          readonly exit_status: string;
        }
      >`
        select process.exit_status::text, process.signal::text, process.oom_kills::text, process.stdout_bytes::text, process.stderr_bytes::text
        from ${containers} as container join ${processes} as process on process.container_id = container.id
        where container.handle = ${handle} and process.process_id = ${processId}`,
      options,
    );
    if (row === undefined) return undefined;
    const [stdoutBytes, stderrBytes] = [countOf(row.stdout_bytes), countOf(row.stderr_bytes)];
    return {
      exitStatus: Number(row.exit_status),
      signal: countOf(row.signal),
      oomKills: countOf(row.oom_kills),
      ...(stdoutBytes === undefined ? {} : { stdoutBytes }),
      ...(stderrBytes === undefined ? {} : { stderrBytes }),
    };
  }

  /** A container and its volumes out of `creating`, which ends its lease; being there already is as good. */
  async #move(handle: string, holder: string, to: 'created' | 'failed', options: AbortOptions): Promise<void> {
    const { containers, volumes } = this.#tables;
    const row = await this.#runner.first(
      sql`
        with moved as (
          update ${containers} set state = ${sql.lit(to)}, lease_holder = null, lease_until = null, updated_at = now()
          where handle = ${handle} and (state = ${sql.lit(to)} or (state = 'creating' and lease_holder = ${holder}))
          returning id
        ), mounted as (
          update ${volumes} set state = ${sql.lit(to)}, updated_at = now()
          where container_id in (select id from moved) and state = 'creating'
        )
        select 1 from moved`,
      options,
    );
    if (row === undefined) throw await this.#refusal(handle, to, options);
  }

  /** Why a move of the lease's holder found no row that it may move. Each of those is legal while the row is `creating`. */
  async #refusal(handle: string, to: string, options: AbortOptions): Promise<Error> {
    const state = await this.#stateOf(handle, options);
    if (state === 'creating') return new LeaseLostError(handle);
    return state === undefined ? disappeared(handle) : new IllegalTransitionError(`container ${handle}`, state, to);
  }

  async #stateOf(handle: string, options: AbortOptions): Promise<string | undefined> {
    const row = await this.#runner.first(
      sql<{ state: string }>`select state from ${this.#tables.containers} where handle = ${handle}`,
      options,
    );
    return row?.state;
  }
}

/** A number as the server writes it. */
function countOf(text: string | null): number | undefined {
  return text === null ? undefined : Number(text);
}

function checkLease(lease: Lease): void {
  checkText('lease.holder', lease.holder, 253);
  checkDuration('lease.durationMs', lease.durationMs);
}

function checked(made: NewContainer, workerName: string, owner: ContainerOwner): NewContainer {
  checkNewContainer(made, workerName, owner);
  return made;
}

/** Without its row nothing says on which worker it was. */
function disappeared(handle: string): ContainerDisappearedError {
  return new ContainerDisappearedError(handle, 'unknown');
}
