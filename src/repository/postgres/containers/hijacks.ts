import type { Compilable } from 'kysely';

import { now, type StatementBuilder } from '../tables.ts';

/** Records that a hijack was seen now. Selects no row if the container does not exist. */
export function upsertHijack(
  statements: StatementBuilder,
  handle: string,
  processId: string,
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
        .columns(['container_id', 'process_id'])
        .expression((eb) => eb.selectFrom('container').select((eb) => ['id', eb.val(processId).as('process_id')]))
        .onConflict((conflict) => conflict.columns(['container_id', 'process_id']).doUpdateSet({ seen_at: now() })),
    )
    .selectFrom('container')
    .select('handle');
}

/** Deletes the record of a hijack. The container keeps the time. */
export function deleteHijack(statements: StatementBuilder, handle: string, processId: string): Compilable {
  return statements
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
    .where('id', 'in', (eb) => eb.selectFrom('ended').select('container_id'));
}
