import { expressionBuilder } from 'kysely';

import { OwnerFinishedError } from '../../errors/owner.ts';
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
  FindOrInsertOptions,
  FoundContainer,
  Lease,
  MarkOwnerFinishedOptions,
  NewContainer,
  RecordProcessResultOptions,
} from '../container-repository.ts';
import { checkOwner, checkProperty, checkText } from '../field-checks.ts';
import type { ContainerRecord, ProcessResultRecord, VolumeRecord } from '../records.ts';
import { checkNewContainer, findLive, insertUnlessLive, toFound, toLive } from './find-or-insert.ts';
import { deleteFinished, moveFinished, ownerHasFinished, recordFinished } from './finished-owners.ts';
import { checkDuration, checkLimit, toJson } from './input.ts';
import { jsonText, parse, toContainer, toProcessResult, toVolume } from './rows.ts';
import type { StatementRunner } from './statement-runner.ts';
import { fromNow, now, type StatementBuilder, type Tables } from './tables.ts';

/**
 * How often `findOrInsert` repeats when the live row disappears between its insert and its search.
 */
const findOrInsertRounds = 8;

/**
 * Containers in PostgreSQL. Every method is one statement, except `findOrInsert`, and except a move
 * that finds no row to move: a second statement then reads the row's state.
 */
export class PostgresContainerRepository implements ContainerRepository {
  readonly #runner: StatementRunner;
  readonly #statements: StatementBuilder;

  constructor(runner: StatementRunner, statements: StatementBuilder) {
    this.#runner = runner;
    this.#statements = statements;
  }

  async findOrInsert(
    workerName: string,
    owner: ContainerOwner,
    lease: Lease,
    make: () => NewContainer | Promise<NewContainer>,
    { specDigest, ...options }: FindOrInsertOptions = {},
  ): Promise<FoundContainer> {
    checkText('workerName', workerName, 253);
    checkOwner(owner);
    checkLease(lease);
    let made: NewContainer | undefined;
    for (let round = 1; round <= findOrInsertRounds; round += 1) {
      const search = findLive(this.#statements, workerName, owner, lease, specDigest);
      const live = toLive(await this.#runner.first(search, options), workerName, owner);
      if (live !== undefined) return live;
      made ??= checked(await make(), workerName, owner);
      const inserted = await this.#runner.first(insertUnlessLive(this.#statements, made, lease), options);
      if (inserted !== undefined) return toFound(inserted);
    }
    throw new RepositoryUnavailableError(
      `the live container of an owner disappeared ${findOrInsertRounds} times during the search for it`,
    );
  }

  async renewLease(handle: string, lease: Lease, options: AbortOptions = {}): Promise<boolean> {
    checkLease(lease);
    const row = await this.#runner.first(
      this.#statements
        .updateTable('containers')
        .set({ lease_until: fromNow(lease.durationMs), updated_at: now() })
        .where('handle', '=', handle)
        .where('state', '=', 'creating')
        .where('lease_holder', '=', lease.holder)
        .returning('handle'),
      options,
    );
    return row !== undefined;
  }

  async releaseLease(handle: string, holder: string, options: AbortOptions = {}): Promise<boolean> {
    const row = await this.#runner.first(
      this.#statements
        .updateTable('containers')
        .set({ lease_holder: null, updated_at: now() })
        .where('handle', '=', handle)
        .where('state', '=', 'creating')
        .where('lease_holder', '=', holder)
        .returning('handle'),
      options,
    );
    return row !== undefined;
  }

  async lookup(workerName: string, handle: string, options: AbortOptions = {}): Promise<ContainerRecord | undefined> {
    const row = await this.#runner.first(
      this.#statements
        .selectFrom('containers')
        .select((eb) => jsonText(eb.fn.toJson('containers')).as('row'))
        .where('worker_name', '=', workerName)
        .where('handle', '=', handle),
      options,
    );
    return row === undefined ? undefined : toContainer(parse(row.row));
  }

  async volumesOf(handle: string, options: AbortOptions = {}): Promise<readonly VolumeRecord[]> {
    const rows = await this.#runner.rows(
      this.#statements
        .selectFrom('volumes')
        .innerJoin('containers', 'containers.id', 'volumes.container_id')
        .select((eb) => jsonText(eb.fn.toJson('volumes')).as('row'))
        .where('containers.handle', '=', handle)
        .orderBy('volumes.id'),
      options,
    );
    return rows.map(({ row }) => toVolume(parse(row), handle));
  }

  async recordPod(handle: string, holder: string, podUid: string, options: AbortOptions = {}): Promise<void> {
    checkText('podUid', podUid, 253);
    const row = await this.#runner.first(
      this.#statements
        .updateTable('containers')
        .set({ pod_uid: podUid, updated_at: now() })
        .where('handle', '=', handle)
        .where('state', '=', 'creating')
        .where('lease_holder', '=', holder)
        .returning('handle'),
      options,
    );
    if (row === undefined) throw await this.#refusal(handle, 'creating', options);
  }

  async markCreated(handle: string, holder: string, options: AbortOptions = {}): Promise<number> {
    return await this.#move(handle, holder, 'created', options);
  }

  async markFailed(handle: string, holder: string, options: AbortOptions = {}): Promise<void> {
    await this.#move(handle, holder, 'failed', options);
  }

  async markOwnerFinished(
    workerName: string,
    owner: ContainerOwner,
    { handle, final = false, ...options }: MarkOwnerFinishedOptions = {},
  ): Promise<number> {
    checkOwner(owner);
    // Recorded first: a container that is inserted too late for the move is refused by `markCreated`.
    if (final) await this.#runner.rows(recordFinished(this.#statements, workerName, owner, { handle }), options);
    return (await this.#runner.rows(moveFinished(this.#statements, workerName, owner, { handle }), options)).length;
  }

  async pruneFinishedOwners(workerName: string, olderThanMs: number, options: AbortOptions = {}): Promise<number> {
    checkDuration('olderThanMs', olderThanMs);
    const row = await this.#runner.first(deleteFinished(this.#statements, workerName, olderThanMs), options);
    return Number(row?.count ?? 0);
  }

  async findDestroyable(
    workerName: string,
    limit: number,
    options: FindDestroyableOptions = {},
  ): Promise<readonly ContainerRecord[]> {
    const { hijackGraceMs = 0 } = options;
    checkLimit(limit);
    checkDuration('hijackGraceMs', hijackGraceMs);
    const eb = expressionBuilder<Tables, 'containers'>();
    const unattended = eb.not(
      eb.exists(
        eb
          .selectFrom('hijacks')
          .whereRef('hijacks.container_id', '=', 'containers.id')
          .where('hijacks.seen_at', '>', fromNow(-hijackGraceMs)),
      ),
    );
    const rows = await this.#runner.rows(
      this.#statements
        .with(
          (cte) => cte('due').materialized(),
          (db) =>
            db
              .selectFrom('containers')
              .select('id')
              .where('worker_name', '=', workerName)
              .where((eb) =>
                eb.or([
                  eb('state', '=', 'failed'),
                  eb.and([eb('state', '=', 'creating'), eb('lease_until', '<', now())]),
                ]),
              )
              .where(unattended)
              .orderBy('created_at')
              .orderBy('id')
              .limit(limit)
              .forUpdate()
              .skipLocked(),
        )
        .with('moved', (db) =>
          db
            .updateTable('containers')
            .set({ state: 'destroying', lease_holder: null, lease_until: null, updated_at: now() })
            .where('id', 'in', db.selectFrom('due').select('id'))
            .returningAll(),
        )
        .with('mounted', (db) =>
          db
            .updateTable('volumes')
            .set({ state: 'destroying', updated_at: now() })
            .where('container_id', 'in', db.selectFrom('moved').select('id')),
        )
        .with('destroyable', (db) =>
          db
            .selectFrom('moved')
            .selectAll()
            .unionAll((eb) =>
              eb.parens(
                eb
                  .selectFrom('containers')
                  .selectAll()
                  .where('worker_name', '=', workerName)
                  .where('state', '=', 'destroying')
                  .where(unattended)
                  .orderBy('created_at')
                  .orderBy('id')
                  .limit(limit),
              ),
            )
            .orderBy('created_at')
            .orderBy('id')
            .limit(limit),
        )
        .selectFrom('destroyable')
        .select((eb) => jsonText(eb.fn.toJson('destroyable')).as('row'))
        .orderBy('created_at')
        .orderBy('id'),
      options,
    );
    return rows.map(({ row }) => toContainer(parse(row)));
  }

  async delete(handle: string, options: AbortOptions = {}): Promise<number> {
    const row = await this.#runner.first(
      this.#statements
        .with('deleted', (db) =>
          db.deleteFrom('containers').where('handle', '=', handle).where('state', '=', 'destroying').returning('id'),
        )
        .with('mounted', (db) =>
          db
            .deleteFrom('volumes')
            .where('container_id', 'in', db.selectFrom('deleted').select('id'))
            .returning('handle'),
        )
        .selectFrom('deleted')
        .select((eb) =>
          eb
            .cast<string>(
              eb.selectFrom('mounted').select((eb) => eb.fn.countAll().as('count')),
              'text',
            )
            .as('volumes'),
        ),
      options,
    );
    if (row !== undefined) return Number(row.volumes);
    const state = await this.#stateOf(handle, options);
    if (state !== undefined) throw new IllegalTransitionError(`container ${handle}`, state, 'deleted');
    return 0;
  }

  async properties(handle: string, options: AbortOptions = {}): Promise<Readonly<Record<string, string>>> {
    const rows = await this.#runner.rows(
      this.#statements
        .selectFrom('containers')
        .leftJoin('container_properties as property', 'property.container_id', 'containers.id')
        .select(['property.name', 'property.value'])
        .where('containers.handle', '=', handle),
      options,
    );
    if (rows.length === 0) throw disappeared(handle);
    // A container without properties is one row of nulls.
    return Object.fromEntries(
      rows.flatMap(({ name, value }) => (name === null || value === null ? [] : [[name, value]])),
    );
  }

  async setProperty(handle: string, name: string, value: string, options: AbortOptions = {}): Promise<void> {
    checkProperty('name', name, 'value', value);
    const row = await this.#runner.first(
      this.#statements
        .with('container', (db) => db.selectFrom('containers').select('id').where('handle', '=', handle).forKeyShare())
        .insertInto('container_properties')
        .columns(['container_id', 'name', 'value'])
        .expression((eb) =>
          eb.selectFrom('container').select((eb) => ['id', eb.val(name).as('name'), eb.val(value).as('value')]),
        )
        .onConflict((conflict) =>
          conflict
            .columns(['container_id', 'name'])
            .doUpdateSet((eb) => ({ value: eb.ref('excluded.value'), updated_at: now() })),
        )
        .returning('name'),
      options,
    );
    if (row === undefined) throw disappeared(handle);
  }

  async recordHijack(handle: string, processId: string, options: AbortOptions = {}): Promise<void> {
    checkText('processId', processId, 100);
    const row = await this.#runner.first(
      this.#statements
        .with('container', (db) =>
          db
            .updateTable('containers')
            .set({ last_hijack_at: now(), updated_at: now() })
            .where('handle', '=', handle)
            .returning(['id', 'handle']),
        )
        .with('recorded', (db) =>
          db
            .insertInto('hijacks')
            .columns(['container_id', 'process_id'])
            .expression((eb) => eb.selectFrom('container').select((eb) => ['id', eb.val(processId).as('process_id')]))
            .onConflict((conflict) => conflict.columns(['container_id', 'process_id']).doUpdateSet({ seen_at: now() })),
        )
        .selectFrom('container')
        .select('handle'),
      options,
    );
    if (row === undefined) throw disappeared(handle);
  }

  async endHijack(handle: string, processId: string, options: AbortOptions = {}): Promise<void> {
    await this.#runner.rows(
      this.#statements
        .with('ended', (db) =>
          db
            .deleteFrom('hijacks')
            .using('containers')
            .whereRef('hijacks.container_id', '=', 'containers.id')
            .where('containers.handle', '=', handle)
            .where('hijacks.process_id', '=', processId)
            .returning('hijacks.container_id'),
        )
        .updateTable('containers')
        .set({ last_hijack_at: now(), updated_at: now() })
        .where('id', 'in', (eb) => eb.selectFrom('ended').select('container_id')),
      options,
    );
  }

  async recordProcessResult(
    handle: string,
    processId: string,
    result: ProcessResultRecord,
    { properties = {}, ...options }: RecordProcessResultOptions = {},
  ): Promise<void> {
    const { exitStatus, signal: number, oomKills, stdoutBytes, stderrBytes, startedAt, finishedAt } = result;
    checkText('processId', processId, 100);
    for (const [name, value] of Object.entries(properties))
      checkProperty(`properties[${JSON.stringify(name)}]`, name, `properties.${name}`, value);
    // A list, because PostgreSQL keeps a key `__proto__` of an object and JavaScript does not.
    const given = toJson(
      'properties',
      Object.entries(properties).map(([name, value]) => ({ name, value })),
    );
    const row = await this.#runner.first(
      this.#statements
        .with('container', (db) =>
          db.selectFrom('containers').select(['id', 'handle']).where('handle', '=', handle).forKeyShare(),
        )
        .with('recorded', (db) =>
          db
            .insertInto('processes')
            .columns([
              'container_id',
              'process_id',
              'exit_status',
              'signal',
              'oom_kills',
              'stdout_bytes',
              'stderr_bytes',
              'command_started_at',
              'command_finished_at',
            ])
            .expression((eb) =>
              eb
                .selectFrom('container')
                .select((eb) => [
                  'id',
                  eb.val(processId).as('process_id'),
                  eb.val(exitStatus).as('exit_status'),
                  eb.val(number ?? null).as('signal'),
                  eb.val(oomKills ?? null).as('oom_kills'),
                  eb.val(stdoutBytes ?? null).as('stdout_bytes'),
                  eb.val(stderrBytes ?? null).as('stderr_bytes'),
                  eb
                    .cast<Date | null>(eb.val(startedAt?.toISOString() ?? null), 'timestamptz')
                    .as('command_started_at'),
                  eb
                    .cast<Date | null>(eb.val(finishedAt?.toISOString() ?? null), 'timestamptz')
                    .as('command_finished_at'),
                ]),
            )
            .onConflict((conflict) => conflict.columns(['container_id', 'process_id']).doNothing()),
        )
        .with('set', (db) =>
          db
            .insertInto('container_properties')
            .columns(['container_id', 'name', 'value'])
            .expression((eb) =>
              eb
                .selectFrom([
                  'container',
                  // One parameter, whatever the number of properties.
                  eb.fn<{ value: Property }>('jsonb_array_elements', [eb.cast(eb.val(given), 'jsonb')]).as('given'),
                ])
                .select((eb) => [
                  'container.id',
                  eb.ref('given.value', '->>').key('name').as('name'),
                  eb.ref('given.value', '->>').key('value').as('value'),
                ]),
            )
            .onConflict((conflict) =>
              conflict
                .columns(['container_id', 'name'])
                .doUpdateSet((eb) => ({ value: eb.ref('excluded.value'), updated_at: now() })),
            ),
        )
        .selectFrom('container')
        .select('handle'),
      options,
    );
    if (row === undefined) throw disappeared(handle);
  }

  async findProcessResult(
    handle: string,
    processId: string,
    options: AbortOptions = {},
  ): Promise<ProcessResultRecord | undefined> {
    const found = await this.#runner.first(
      this.#statements
        .selectFrom('processes')
        .innerJoin('containers', 'containers.id', 'processes.container_id')
        .select((eb) => jsonText(eb.fn.toJson('processes')).as('row'))
        .where('containers.handle', '=', handle)
        .where('processes.process_id', '=', processId),
      options,
    );
    return found === undefined ? undefined : toProcessResult(parse(found.row));
  }

  /**
   * Moves a container and its volumes out of `creating`, which ends the lease. Changes nothing if
   * they are in that state already. A container of an owner that has finished for good does not
   * become `created`. Returns the generation of the last holder.
   */
  async #move(handle: string, holder: string, to: 'created' | 'failed', options: AbortOptions): Promise<number> {
    const row = await this.#runner.first(
      this.#statements
        .with('moved', (db) =>
          db
            .updateTable('containers')
            .set({ state: to, lease_holder: null, lease_until: null, updated_at: now() })
            .where('handle', '=', handle)
            .where((eb) =>
              eb.or([eb('state', '=', to), eb.and([eb('state', '=', 'creating'), eb('lease_holder', '=', holder)])]),
            )
            .$if(to === 'created', (moved) =>
              moved.where((eb) => eb.or([eb('state', '=', to), eb.not(ownerHasFinished())])),
            )
            .returning(['id', 'lease_generation']),
        )
        .with('mounted', (db) =>
          db
            .updateTable('volumes')
            .set({ state: to, updated_at: now() })
            .where('container_id', 'in', db.selectFrom('moved').select('id'))
            .where('state', '=', 'creating'),
        )
        .selectFrom('moved')
        .select((eb) => eb.cast<string>('lease_generation', 'text').as('generation')),
      options,
    );
    if (row === undefined) throw await this.#refusal(handle, to, options);
    return Number(row.generation);
  }

  /**
   * Returns the reason why a move by the lease's holder found no row. Every such move is legal
   * while the row is `creating`.
   */
  async #refusal(handle: string, to: string, options: AbortOptions): Promise<Error> {
    const row = await this.#runner.first(
      this.#statements
        .selectFrom('containers')
        .select((eb) => [
          ...(['state', 'worker_name', 'owner_kind', 'owner_key'] as const),
          eb.cast<'true' | 'false'>(ownerHasFinished(), 'text').as('finished'),
        ])
        .where('handle', '=', handle),
      options,
    );
    if (row === undefined) return disappeared(handle);
    const { state, worker_name: workerName, owner_kind: kind, owner_key: key, finished } = row;
    if (state !== 'creating') return new IllegalTransitionError(`container ${handle}`, state, to);
    const isRefusedOwner = to === 'created' && finished === 'true';
    return isRefusedOwner ? new OwnerFinishedError({ kind, key }, workerName) : new LeaseLostError(handle);
  }

  async #stateOf(handle: string, options: AbortOptions): Promise<string | undefined> {
    const row = await this.#runner.first(
      this.#statements.selectFrom('containers').select('state').where('handle', '=', handle),
      options,
    );
    return row?.state;
  }
}

/** A property in the JSON parameter of `recordProcessResult`. */
interface Property {
  readonly name: string;
  readonly value: string;
}

function checkLease(lease: Lease): void {
  checkText('lease.holder', lease.holder, 253);
  checkDuration('lease.durationMs', lease.durationMs);
}

function checked(made: NewContainer, workerName: string, owner: ContainerOwner): NewContainer {
  checkNewContainer(made, workerName, owner);
  return made;
}

/** The worker is unknown because the row no longer exists. */
function disappeared(handle: string): ContainerDisappearedError {
  return new ContainerDisappearedError(handle, 'unknown');
}
