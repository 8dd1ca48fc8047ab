import type { Kysely } from 'kysely';
import { sql } from 'kysely';

// `sql` writes the expressions of check constraints and defaults: DDL takes no parameters, which
// the expression builder would bind.

/** Adds the state of each worker, its heartbeat, and what it had at the last one. */
export async function workerStates({ schema }: Kysely<unknown>): Promise<void> {
  await schema
    .alterTable('workers')
    .addColumn('state', 'text', (column) =>
      column.notNull().defaultTo('running').check(sql`state in ('running', 'landing', 'landed', 'retiring')`),
    )
    .addColumn('state_version', 'bigint', (column) => column.notNull().defaultTo(0))
    .addColumn('land_artifacts', 'text', (column) =>
      column.notNull().defaultTo('wait').check(sql`land_artifacts in ('wait', 'keep')`),
    )
    .addColumn('heartbeat_at', 'timestamptz')
    .addColumn('expires_at', 'timestamptz')
    .addColumn('active_containers', 'bigint')
    .addColumn('active_volumes', 'bigint')
    .execute();
}
