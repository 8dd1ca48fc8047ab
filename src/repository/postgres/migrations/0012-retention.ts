import type { Kysely } from 'kysely';
import { sql } from 'kysely';

// `sql` writes the expressions of check constraints: DDL takes no parameters, which the expression
// builder would bind.

/**
 * Adds containers that are kept after their owner has finished, the open streams of volumes, and
 * the time to live of artifact volumes.
 */
export async function retention({ schema }: Kysely<unknown>): Promise<void> {
  await schema.alterTable('containers').dropConstraint('containers_state_check').execute();
  await schema
    .alterTable('containers')
    .addColumn('kept_at', 'timestamptz')
    .addColumn('keep_until', 'timestamptz')
    .execute();
  await schema
    .alterTable('containers')
    .addCheckConstraint('containers_state_check', sql`state in ('creating', 'created', 'kept', 'failed', 'destroying')`)
    .execute();
  await schema
    .alterTable('containers')
    .addCheckConstraint(
      'containers_until_while_kept',
      sql`(state = 'kept') = (keep_until is not null) and (keep_until is null) = (kept_at is null)`,
    )
    .execute();
  await schema
    .alterTable('volumes')
    .addColumn('time_to_live_ms', 'bigint', (column) => column.check(sql`time_to_live_ms >= 0`))
    .execute();
  await schema
    .createTable('volume_streams')
    .addColumn('stream_id', 'text', (column) => column.notNull().check(sql`char_length(stream_id) between 1 and 253`))
    .addColumn('volume_id', 'bigint', (column) => column.notNull().references('volumes.id').onDelete('cascade'))
    .addColumn('until', 'timestamptz', (column) => column.notNull())
    .addPrimaryKeyConstraint('volume_streams_pkey', ['stream_id', 'volume_id'])
    .execute();
  await schema.createIndex('volume_streams_by_volume').on('volume_streams').columns(['volume_id', 'until']).execute();
}
