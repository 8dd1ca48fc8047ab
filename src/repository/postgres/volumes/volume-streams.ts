import type { Compilable, Expression, SqlBool } from 'kysely';
import { expressionBuilder, sql } from 'kysely';

import { fromNow, liveStates, now, type StatementBuilder, type Tables } from '../tables.ts';

/**
 * Records or renews an open stream of volumes, and renews the expiry of those that are artifacts.
 * Leaves out volumes that are being destroyed, unless the stream was open before. Selects the number
 * of volumes.
 *
 * The lock of the volumes orders this statement and the moves to `destroying`: either a later
 * search of the reaper sees the stream of the moved volume, or this statement finds the volume
 * moved.
 */
export function holdVolumes(
  statements: StatementBuilder,
  streamId: string,
  handles: readonly string[],
  durationMs: number,
): Compilable<{ count: string }> {
  return statements
    .with(
      (cte) => cte('held').materialized(),
      (db) =>
        db
          .selectFrom('volumes')
          .select('id')
          .where('handle', 'in', handles)
          .where((eb) =>
            eb.or([
              eb('state', 'in', liveStates),
              eb.exists(
                eb
                  .selectFrom('volume_streams')
                  .select('stream_id')
                  .where('stream_id', '=', streamId)
                  .whereRef('volume_id', '=', 'volumes.id'),
              ),
            ]),
          )
          .orderBy('id')
          .forNoKeyUpdate(),
    )
    .with('renewed', (db) =>
      db
        .updateTable('volumes')
        .set((eb) => ({
          // `sql`: the builder has no intervals. `greatest` ignores the unknown time to live of rows
          // from before it was stored.
          expires_at: eb.fn('greatest', [
            'expires_at',
            sql<Date>`(now() + ${eb.ref('time_to_live_ms')} * interval '1 millisecond')`,
          ]),
          updated_at: now(),
        }))
        .where('id', 'in', db.selectFrom('held').select('id'))
        .where('container_id', 'is', null)
        .where('state', 'in', liveStates),
    )
    .with('streams', (db) =>
      db
        .insertInto('volume_streams')
        .columns(['stream_id', 'volume_id', 'until'])
        .expression(
          db
            .selectFrom('held')
            .select((eb) => [eb.val(streamId).as('stream_id'), 'id as volume_id', fromNow(durationMs).as('until')]),
        )
        .onConflict((conflict) =>
          conflict.columns(['stream_id', 'volume_id']).doUpdateSet((eb) => ({ until: eb.ref('excluded.until') })),
        ),
    )
    .selectFrom('held')
    .select((eb) => eb.cast<string>(eb.fn.countAll(), 'text').as('count'));
}

/** Deletes an open stream. Selects whether one of its volumes is to be deleted. */
export function releaseVolumes(
  statements: StatementBuilder,
  streamId: string,
): Compilable<{ awaited: 'true' | 'false' }> {
  return statements
    .with('ended', (db) => db.deleteFrom('volume_streams').where('stream_id', '=', streamId).returning('volume_id'))
    .selectNoFrom((eb) =>
      eb
        .cast<'true' | 'false'>(
          eb.exists(
            eb
              .selectFrom('volumes')
              .select('id')
              .where('id', 'in', eb.selectFrom('ended').select('volume_id'))
              .where('state', '=', 'destroying'),
          ),
          'text',
        )
        .as('awaited'),
    );
}

/** Returns the condition that a row of `volumes` has an open stream. */
export function hasOpenStream(): Expression<SqlBool> {
  const eb = expressionBuilder<Tables, 'volumes'>();
  return eb.exists(
    eb
      .selectFrom('volume_streams')
      .select('stream_id')
      .whereRef('volume_streams.volume_id', '=', 'volumes.id')
      .where('volume_streams.until', '>', now()),
  );
}
