import type { Compilable, Expression, SqlBool } from 'kysely';
import { expressionBuilder } from 'kysely';

import type { FindDestroyableOptions } from '../../container-repository.ts';
import { checkCount, checkDuration, checkLimit } from '../input.ts';
import { type ContainerRow, type JsonText, jsonText } from '../rows.ts';
import { destroyingContainer, fromNow, kept, now, type StatementBuilder, type Tables } from '../tables.ts';
import { hasOpenStream } from '../volumes/volume-streams.ts';

/** A search for containers to destroy. */
export interface DestroyableSearch {
  readonly workerName: string;
  readonly limit: number;
  readonly hijackGraceMs: number;
  readonly leaseGraceMs: number;
  /** The maximum number of kept containers of the worker, and for how long they are kept. */
  readonly maxKept: number | undefined;
  readonly maxKeptMs: number | undefined;
}

/** @throws InvalidSpecError */
export function destroyableSearch(
  workerName: string,
  limit: number,
  { hijackGraceMs = 0, leaseGraceMs = 0, maxKept, maxKeptMs }: FindDestroyableOptions,
): DestroyableSearch {
  checkLimit(limit);
  checkDuration('hijackGraceMs', hijackGraceMs);
  checkDuration('leaseGraceMs', leaseGraceMs);
  if (maxKept !== undefined) checkCount('maxKept', maxKept);
  if (maxKeptMs !== undefined) checkDuration('maxKeptMs', maxKeptMs);
  return { workerName, limit, hijackGraceMs, leaseGraceMs, maxKept, maxKeptMs };
}

/**
 * Moves containers that failed, whose lease has lapsed, or that are no longer kept, to `destroying`,
 * with their volumes. Leaves out containers with a hijack or an open stream.
 */
export function moveDueContainers(statements: StatementBuilder, search: DestroyableSearch): Compilable {
  return statements
    .with(
      (cte) => cte('due').materialized(),
      (db) =>
        db
          .selectFrom('containers')
          .select('id')
          .where('worker_name', '=', search.workerName)
          .where(isDueContainer(statements, search))
          .where(isUnused(search))
          .orderBy('created_at')
          .orderBy('id')
          .limit(search.limit)
          .forUpdate()
          .skipLocked(),
    )
    .with('moved', (db) =>
      db
        .updateTable('containers')
        .set(destroyingContainer())
        .where('id', 'in', db.selectFrom('due').select('id'))
        .returning('id'),
    )
    .updateTable('volumes')
    .set({ state: 'destroying', updated_at: now() })
    .where('container_id', 'in', (eb) => eb.selectFrom('moved').select('id'));
}

/**
 * Selects the containers that are `destroying`, the oldest first. Leaves out containers with a
 * hijack or an open stream.
 */
export function selectDestroyable(
  statements: StatementBuilder,
  search: DestroyableSearch,
): Compilable<{ row: JsonText<ContainerRow> }> {
  return statements
    .selectFrom('containers')
    .select((eb) => jsonText(eb.fn.toJson('containers')).as('row'))
    .where('worker_name', '=', search.workerName)
    .where('state', '=', 'destroying')
    .where(isUnused(search))
    .orderBy('created_at')
    .orderBy('id')
    .limit(search.limit);
}

/**
 * Deletes a container that is `destroying`, with its volumes. Selects the number of volumes, or no
 * row if there is no such container.
 */
export function deleteDestroying(statements: StatementBuilder, handle: string): Compilable<{ volumes: string | null }> {
  return statements
    .with('deleted', (db) =>
      db.deleteFrom('containers').where('handle', '=', handle).where('state', '=', 'destroying').returning('id'),
    )
    .with('mounted', (db) =>
      db.deleteFrom('volumes').where('container_id', 'in', db.selectFrom('deleted').select('id')).returning('handle'),
    )
    .selectFrom('deleted')
    .select((eb) =>
      eb
        .cast<string>(
          eb.selectFrom('mounted').select((eb) => eb.fn.countAll().as('count')),
          'text',
        )
        .as('volumes'),
    );
}

/**
 * Returns the condition that a container failed, that its lease has lapsed, or that it is no longer
 * kept: its time is over, or the worker keeps newer ones, as many as it may.
 */
export function isDueContainer(
  statements: StatementBuilder,
  { workerName, leaseGraceMs, maxKept, maxKeptMs }: DestroyableSearch,
): Expression<SqlBool> {
  const eb = expressionBuilder<Tables, 'containers'>();
  const tooMany = (count: number): Expression<SqlBool> =>
    eb(
      'id',
      'in',
      statements
        .selectFrom('containers')
        .select('id')
        .where('worker_name', '=', workerName)
        .where('state', '=', kept)
        .orderBy('kept_at', 'desc')
        .orderBy('id', 'desc')
        .offset(count),
    );
  return eb.or([
    eb('state', '=', 'failed'),
    eb.and([eb('state', '=', 'creating'), eb('lease_until', '<', fromNow(-leaseGraceMs))]),
    eb.and([
      eb('state', '=', kept),
      eb.or([
        eb('keep_until', '<', now()),
        ...(maxKeptMs === undefined ? [] : [eb('kept_at', '<', fromNow(-maxKeptMs))]),
        ...(maxKept === undefined ? [] : [tooMany(maxKept)]),
      ]),
    ]),
  ]);
}

/**
 * Returns the condition that a row of `containers` has no hijack that was seen within the grace, and
 * no volume with an open stream.
 */
export function isUnused({ hijackGraceMs }: Pick<DestroyableSearch, 'hijackGraceMs'>): Expression<SqlBool> {
  const eb = expressionBuilder<Tables, 'containers'>();
  const hijack = eb
    .selectFrom('hijacks')
    .whereRef('hijacks.container_id', '=', 'containers.id')
    .where('hijacks.seen_at', '>', fromNow(-hijackGraceMs));
  const stream = eb.selectFrom('volumes').whereRef('volumes.container_id', '=', 'containers.id').where(hasOpenStream());
  return eb.and([eb.not(eb.exists(hijack)), eb.not(eb.exists(stream))]);
}
