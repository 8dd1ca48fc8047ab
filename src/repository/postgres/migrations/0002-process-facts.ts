import type { Kysely } from 'kysely';
import { sql } from 'kysely';

// `sql` writes the expressions of check constraints and defaults: DDL takes no parameters, which
// the expression builder would bind.

/**
 * Adds the hijacks of a container, the time of the last one, and the number of processes that the
 * kernel killed for memory during a process.
 */
export async function processFacts({ schema }: Kysely<unknown>): Promise<void> {
  await schema
    .alterTable('processes')
    .addColumn('oom_kills', 'bigint', (column) => column.check(sql`oom_kills >= 0`))
    .execute();
  await schema.alterTable('containers').addColumn('last_hijack_at', 'timestamptz').execute();
  await schema
    .createTable('hijacks')
    .addColumn('container_id', 'bigint', (column) => column.notNull().references('containers.id').onDelete('cascade'))
    .addColumn('process_id', 'text', (column) => column.notNull().check(sql`char_length(process_id) between 1 and 100`))
    .addColumn('seen_at', 'timestamptz', (column) => column.notNull().defaultTo(sql`now()`))
    .addPrimaryKeyConstraint('hijacks_pkey', ['container_id', 'process_id'])
    .execute();
}
