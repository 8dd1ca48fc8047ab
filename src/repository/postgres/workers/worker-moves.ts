import type { AliasableExpression, Compilable, NumericString, SqlBool } from 'kysely';
import { expressionBuilder } from 'kysely';

import { fromNow, liveStates, now, type StatementBuilder, type Tables } from '../tables.ts';
import { stateNow, type WorkerColumns, workerColumns } from './worker-rows.ts';

/** A worker after a move, and its state before. */
export interface MovedWorker extends WorkerColumns {
  readonly state_before: string;
}

/** The states that a host can request. A heartbeat moves a worker from `landing` to `landed`. */
export interface RequestedState {
  readonly state: 'running' | 'landing' | 'retiring';
  readonly landArtifacts?: 'wait' | 'keep' | undefined;
}

/** Moves a worker to a state. A `landed` worker that is requested to land stays `landed`. */
export function moveWorker(
  statements: StatementBuilder,
  workerName: string,
  { state, landArtifacts }: RequestedState,
): Compilable<MovedWorker> {
  return (
    statements
      // The lock keeps the state until the update.
      .with('before', (db) =>
        db
          .selectFrom('workers')
          .select(['workers.name', stateNow().as('state_before')])
          .where('workers.name', '=', workerName)
          .forNoKeyUpdate(),
      )
      .updateTable('workers')
      .from('before')
      .set((eb) => ({
        state:
          state === 'landing'
            ? eb
                .case()
                .when('workers.state', '=', 'landed')
                .then('landed' as const)
                .else(state)
                .end()
            : state,
        state_version: eb('workers.state_version', '+', '1'),
        ...(landArtifacts === undefined ? {} : { land_artifacts: landArtifacts }),
      }))
      .whereRef('workers.name', '=', 'before.name')
      .returning([...workerColumns(), 'before.state_before'])
  );
}

/**
 * Records a heartbeat, and completes the landing of a worker that has nothing left.
 *
 * The statement counts rows as they were at its start. A move to `landing` that commits after that
 * may follow inserts that are not in the count. Therefore the worker lands only if its state has not
 * changed since (`state_version`).
 */
export function recordHeartbeat(
  statements: StatementBuilder,
  workerName: string,
  expiresInMs: number,
): Compilable<MovedWorker> {
  return statements
    .with(
      (cte) => cte('seen').materialized(),
      (db) =>
        db
          .selectFrom('workers')
          .select([
            'workers.name',
            'workers.state_version',
            stateNow().as('state_before'),
            liveRows('containers', workerName).as('containers'),
            liveRows('volumes', workerName).as('volumes'),
            needsArtifact(workerName).as('needs_artifact'),
          ])
          .where('workers.name', '=', workerName),
    )
    .updateTable('workers')
    .from('seen')
    .set((eb) => ({
      heartbeat_at: now(),
      expires_at: eb.fn<Date>('greatest', ['workers.expires_at', fromNow(expiresInMs)]),
      active_containers: eb.ref('seen.containers'),
      active_volumes: eb.ref('seen.volumes'),
      state: eb
        .case()
        .when(
          eb.and([
            eb('workers.state', '=', 'landing'),
            eb('workers.state_version', '=', eb.ref('seen.state_version')),
            eb('seen.containers', '=', '0'),
            eb.or([eb('workers.land_artifacts', '=', 'keep'), eb.not(eb.ref('seen.needs_artifact'))]),
          ]),
        )
        .then('landed' as const)
        .else(eb.ref('workers.state'))
        .end(),
    }))
    .whereRef('workers.name', '=', 'seen.name')
    .returning([...workerColumns(), 'seen.state_before']);
}

/** Deletes a retiring worker that has no container, no volume and no archive. Selects its name. */
export function deleteEmpty(statements: StatementBuilder, workerName: string): Compilable<{ name: string }> {
  return statements
    .with('retired', (db) =>
      db
        .selectFrom('workers')
        .select('workers.name')
        .where('workers.name', '=', workerName)
        .where('workers.state', '=', 'retiring')
        .where((eb) =>
          eb.not(eb.exists(eb.selectFrom('containers').select('id').where('worker_name', '=', workerName))),
        )
        .where((eb) => eb.not(eb.exists(eb.selectFrom('volumes').select('id').where('worker_name', '=', workerName))))
        .where((eb) => eb.not(eb.exists(eb.selectFrom('archives').select('id').where('worker_name', '=', workerName))))
        .forUpdate(),
    )
    .with('forgotten', (db) =>
      db.deleteFrom('finished_owners').where('worker_name', 'in', db.selectFrom('retired').select('name')),
    )
    .deleteFrom('workers')
    .where('name', 'in', (eb) => eb.selectFrom('retired').select('name'))
    .returning('name');
}

/** Moves a worker that may be pruned to `retiring`, so that no host adds rows. Selects its name. */
export function retirePrunable(statements: StatementBuilder, workerName: string): Compilable<{ name: string }> {
  return statements
    .updateTable('workers')
    .set((eb) => ({ state: 'retiring' as const, state_version: eb('state_version', '+', '1') }))
    .where('name', '=', workerName)
    .where((eb) => eb.or([eb('state', 'in', ['landed', 'retiring']), eb('expires_at', '<=', now())]))
    .returning('name');
}

/** Deletes a retiring worker with all of its rows. Selects its name. */
export function deleteWithRows(statements: StatementBuilder, workerName: string): Compilable<{ name: string }> {
  return statements
    .with('pruned', (db) =>
      db
        .selectFrom('workers')
        .select('workers.name')
        .where('workers.name', '=', workerName)
        .where('workers.state', '=', 'retiring')
        .forUpdate(),
    )
    .with('pruned_volumes', (db) =>
      db.deleteFrom('volumes').where('worker_name', 'in', db.selectFrom('pruned').select('name')),
    )
    .with('pruned_archives', (db) =>
      db.deleteFrom('archives').where('worker_name', 'in', db.selectFrom('pruned').select('name')),
    )
    .with('pruned_containers', (db) =>
      db.deleteFrom('containers').where('worker_name', 'in', db.selectFrom('pruned').select('name')),
    )
    .with('forgotten', (db) =>
      db.deleteFrom('finished_owners').where('worker_name', 'in', db.selectFrom('pruned').select('name')),
    )
    .deleteFrom('workers')
    .where('name', 'in', (eb) => eb.selectFrom('pruned').select('name'))
    .returning('name');
}

/** The number of rows that are `creating` or `created`. */
function liveRows(table: 'containers' | 'volumes', workerName: string): AliasableExpression<NumericString> {
  const eb = expressionBuilder<Tables>();
  const count = eb
    .selectFrom(table)
    .select((rows) => rows.fn.countAll<NumericString>().as('live'))
    .where('worker_name', '=', workerName)
    .where('state', 'in', liveStates);
  return eb.cast<NumericString>(count, 'bigint');
}

/** The condition that an artifact volume may still be an input of a step. */
function needsArtifact(workerName: string): AliasableExpression<SqlBool> {
  const eb = expressionBuilder<Tables>();
  return eb.exists(
    eb
      .selectFrom('volumes')
      .select('id')
      .where('worker_name', '=', workerName)
      .where('container_id', 'is', null)
      .where('state', 'in', liveStates)
      .where('expires_at', '>', now()),
  );
}
