import type { Compilable, Expression, SqlBool } from 'kysely';
import { expressionBuilder } from 'kysely';

import { type JsonText, jsonText, type VolumeRow } from '../rows.ts';
import { anyOf, liveStates, now, type StatementBuilder, type Tables } from '../tables.ts';
import { hasOpenStream } from './volume-streams.ts';

/** A search for artifact volumes to destroy. */
interface DestroyableVolumeSearch {
  readonly workerName: string;
  readonly limit: number;
}

/**
 * Moves artifact volumes that failed or expired, or whose lease has lapsed, to `destroying`. Leaves
 * out volumes with an open stream. Deletes streams of hosts that died.
 */
export function moveDueVolumes(
  statements: StatementBuilder,
  { workerName, limit }: DestroyableVolumeSearch,
): Compilable {
  return statements
    .with('lapsed', (db) => db.deleteFrom('volume_streams').where('until', '<', now()))
    .with(
      (cte) => cte('due').materialized(),
      (db) =>
        db
          .selectFrom('volumes')
          .select('id')
          .where('worker_name', '=', workerName)
          .where('container_id', 'is', null)
          .where(isDueVolume())
          .where((eb) => eb.not(hasOpenStream()))
          // Without an order, because a sort would read all due rows for each part of them.
          .limit(limit)
          .forUpdate()
          .skipLocked(),
    )
    .updateTable('volumes')
    .set({ state: 'destroying', lease_until: null, updated_at: now() })
    .where('id', '=', (eb) => anyOf(eb.selectFrom('due').select('id')));
}

/**
 * Selects the artifact volumes that are `destroying`, the oldest first. Leaves out volumes with an
 * open stream.
 */
export function selectDestroyableVolumes(
  statements: StatementBuilder,
  { workerName, limit }: DestroyableVolumeSearch,
): Compilable<{ row: JsonText<VolumeRow> }> {
  return statements
    .selectFrom('volumes')
    .select((eb) => jsonText(eb.fn.toJson('volumes')).as('row'))
    .where('worker_name', '=', workerName)
    .where('container_id', 'is', null)
    .where('state', '=', 'destroying')
    .where((eb) => eb.not(hasOpenStream()))
    .orderBy('created_at')
    .orderBy('id')
    .limit(limit);
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
