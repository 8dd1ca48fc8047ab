import { type Compilable, sql } from 'kysely';

import { now, type StatementBuilder } from '../tables.ts';

/** Records that a hijack was seen now. Selects no row if the container does not exist. */
export function upsertHijack(
  statements: StatementBuilder,
  handle: string,
  processId: string,
  isStarted: boolean,
): Compilable<{ handle: string }> {
  return statements
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
        .columns(['container_id', 'process_id', 'started_at'])
        .expression((eb) =>
          eb
            .selectFrom('container')
            .select((eb) => [
              'id',
              eb.val(processId).as('process_id'),
              eb.cast<Date | null>(isStarted ? now() : eb.lit(null), 'timestamptz').as('started_at'),
            ]),
        )
        .onConflict((conflict) =>
          conflict.columns(['container_id', 'process_id']).doUpdateSet((eb) => ({
            seen_at: now(),
            started_at: eb.fn.coalesce('hijacks.started_at', 'excluded.started_at'),
          })),
        ),
    )
    .selectFrom('container')
    .select('handle');
}

/** Ends the protection of the container by a hijack. The row and the container's time remain. */
export function markHijackEnded(statements: StatementBuilder, handle: string, processId: string): Compilable {
  const never = sql<Date>`'-infinity'::timestamptz`;
  return statements
    .with('ended', (db) =>
      db
        .updateTable('hijacks')
        .from('containers')
        .set({ seen_at: never })
        .whereRef('hijacks.container_id', '=', 'containers.id')
        .where('containers.handle', '=', handle)
        .where('hijacks.process_id', '=', processId)
        .where('hijacks.seen_at', '>', never)
        .returning('hijacks.container_id'),
    )
    .updateTable('containers')
    .set({ last_hijack_at: now(), updated_at: now() })
    .where('id', 'in', (eb) => eb.selectFrom('ended').select('container_id'));
}

/** Selects a row if the process was started as a hijack. */
export function selectStartedHijack(
  statements: StatementBuilder,
  handle: string,
  processId: string,
): Compilable<{ process_id: string }> {
  return statements
    .selectFrom('hijacks')
    .innerJoin('containers', 'containers.id', 'hijacks.container_id')
    .select('hijacks.process_id')
    .where('containers.handle', '=', handle)
    .where('hijacks.process_id', '=', processId)
    .where('hijacks.started_at', 'is not', null);
}
