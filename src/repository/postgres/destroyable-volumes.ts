import type { Compilable, Expression, SqlBool } from 'kysely';
import { expressionBuilder } from 'kysely';

import { type JsonText, jsonText, type VolumeRow } from './rows.ts';
import { anyOf, liveStates, now, type StatementBuilder, type Tables } from './tables.ts';

/** A search for artifact volumes to destroy. */
interface DestroyableVolumeSearch {
  readonly workerName: string;
  readonly limit: number;
}

/**
 * Moves artifact volumes that failed or expired, or whose lease has lapsed, to `destroying`. Then
 * selects the artifact volumes in that state, the oldest first.
 */
export function moveDestroyableVolumes(
  statements: StatementBuilder,
  { workerName, limit }: DestroyableVolumeSearch,
): Compilable<{ row: JsonText<VolumeRow> }> {
  return statements
    .with(
      (cte) => cte('due').materialized(),
      (db) =>
        db
          .selectFrom('volumes')
          .select('id')
          .where('worker_name', '=', workerName)
          .where('container_id', 'is', null)
          .where(isDueVolume())
          .orderBy('created_at')
          .orderBy('id')
          .limit(limit)
          .forUpdate()
          .skipLocked(),
    )
    .with('moved', (db) =>
      db
        .updateTable('volumes')
        .set({ state: 'destroying', lease_until: null, updated_at: now() })
        .where('id', '=', anyOf(db.selectFrom('due').select('id')))
        .returningAll(),
    )
    .with('destroyable', (db) =>
      db
        .selectFrom('moved')
        .selectAll()
        .unionAll((eb) =>
          eb.parens(
            eb
              .selectFrom('volumes')
              .selectAll()
              .where('worker_name', '=', workerName)
              .where('container_id', 'is', null)
              .where('state', '=', 'destroying')
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

/** Returns the condition that an artifact volume failed or expired, or that its lease has lapsed. */
export function isDueVolume(): Expression<SqlBool> {
  const eb = expressionBuilder<Tables, 'volumes'>();
  return eb.or([
    eb('state', '=', 'failed'),
    eb.and([eb('state', '=', 'creating'), eb('lease_until', '<', now())]),
    eb.and([eb('state', 'in', liveStates), eb('expires_at', '<', now())]),
  ]);
}
