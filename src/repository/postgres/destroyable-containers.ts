import type { Compilable, Expression, SqlBool } from 'kysely';
import { expressionBuilder } from 'kysely';

import { type ContainerRow, type JsonText, jsonText } from './rows.ts';
import { fromNow, now, type StatementBuilder, type Tables } from './tables.ts';

/** A search for containers to destroy. */
export interface DestroyableSearch {
  readonly workerName: string;
  readonly limit: number;
  readonly hijackGraceMs: number;
}

/**
 * Moves containers that failed, or whose lease has lapsed, to `destroying`, with their volumes. Then
 * selects the containers in that state, the oldest first. Leaves out containers with a hijack.
 */
export function moveDestroyable(
  statements: StatementBuilder,
  { workerName, limit, hijackGraceMs }: DestroyableSearch,
): Compilable<{ row: JsonText<ContainerRow> }> {
  const unattended = isUnattended(hijackGraceMs);
  return statements
    .with(
      (cte) => cte('due').materialized(),
      (db) =>
        db
          .selectFrom('containers')
          .select('id')
          .where('worker_name', '=', workerName)
          .where(isDueContainer())
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
    .orderBy('id');
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

/** Returns the condition that a container failed, or that its lease has lapsed. */
export function isDueContainer(): Expression<SqlBool> {
  const eb = expressionBuilder<Tables, 'containers'>();
  return eb.or([eb('state', '=', 'failed'), eb.and([eb('state', '=', 'creating'), eb('lease_until', '<', now())])]);
}

/** Returns the condition that no hijack of a row of `containers` was seen within the grace. */
export function isUnattended(hijackGraceMs: number): Expression<SqlBool> {
  const eb = expressionBuilder<Tables, 'containers'>();
  return eb.not(
    eb.exists(
      eb
        .selectFrom('hijacks')
        .whereRef('hijacks.container_id', '=', 'containers.id')
        .where('hijacks.seen_at', '>', fromNow(-hijackGraceMs)),
    ),
  );
}
